/**
 * The load of a crash test as a process of its own: `load.ts --port N --log FILE --seed N
 * [--busy MS] [--drain MS] [--relaxed] [--disk-log FILE]`. The process that started it says by messages when the
 * broker has been killed and started, and when to end; it hears how many messages have been
 * acknowledged.
 */
import { parseArgs } from "node:util";
import { Random } from "../soak/random.ts";
import type { Stage } from "./cast.ts";
import { DiskLog } from "./disk-log.ts";
import { EventLog } from "./events.ts";
import { Troupe } from "./troupe.ts";

/**
 * To the load. `finish`: everybody comes back for what is left, and leaves; `epilogue`:
 * everybody comes back once more, and that is the end; `end`: the end at once.
 */
export type Order = "killed" | "started" | "finish" | "epilogue" | "end";

/** From the load. */
export interface Progress {
	state: "playing" | "finished" | "done";
	/** Acknowledgements of messages so far. */
	acknowledged: number;
}

const PROGRESS_MS = 20;

const { values } = parseArgs({
	options: {
		port: { type: "string", default: "" },
		log: { type: "string", default: "" },
		seed: { type: "string", default: "1" },
		busy: { type: "string", default: "8" },
		drain: { type: "string", default: "120000" },
		"disk-log": { type: "string", default: "" },
		relaxed: { type: "boolean", default: false },
	},
});
const diskLog = values["disk-log"];
const disk = diskLog === "" ? null : new DiskLog(diskLog);
const log = new EventLog(values.log, () => disk?.count() ?? 0);
const stage: Stage = {
	port: Number(values.port),
	random: new Random(Number(values.seed)),
	log,
	isUp: true,
	isOver: false,
	isRelaxed: values.relaxed,
};
const troupe = new Troupe(stage, {
	busyMs: Number(values.busy),
	drainMs: Number(values.drain),
});
let acknowledged = 0;
log.observe(({ did }) => {
	if (did === "puback" || did === "pubrec") acknowledged++;
});

await troupe.setUp();
const playing = troupe.play();
const timer = setInterval(() => tell("playing"), PROGRESS_MS);
process.on("message", (order: Order) => void handle(order));
process.on("disconnect", () => process.exit(1));

async function handle(order: Order): Promise<void> {
	switch (order) {
		case "killed":
			stage.isUp = false;
			log.add("broker", { did: "killed" });
			break;
		case "started":
			log.add("broker", { did: "started" });
			stage.isUp = true;
			if (!stage.isOver) await troupe.look();
			break;
		case "finish":
			stage.isOver = true;
			await playing;
			await troupe.finish();
			clearInterval(timer);
			tell("finished");
			break;
		case "epilogue":
			await troupe.epilogue();
			end();
			break;
		case "end":
			end();
			break;
	}
}

function end(): void {
	clearInterval(timer);
	log.close();
	tell("done");
	process.disconnect?.();
}

function tell(state: Progress["state"]): void {
	process.send?.({ state, acknowledged } satisfies Progress);
}
