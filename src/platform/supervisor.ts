/**
 * What the process tells systemd about itself: that it is ready, how it does, that it
 * lives, that it ends [sd_notify(3)]. Started by hand there is nobody to tell, and every
 * call does nothing. Main thread only.
 */
import { openNotifySocket, type SendLines } from "./notify-socket.ts";
import { sendByProgram } from "./systemd-notify.ts";

export interface Supervisor {
	/** A process that does not {@link ping} for this long is ended; 0 when nobody waits for it. ms */
	readonly watchdogMs: number;
	/** Clients are served from now on. */
	ready(status: string): void;
	/** One line for `systemctl status`. */
	status(words: string): void;
	/** The process has proved that it works. */
	ping(): void;
	/** The end has begun. */
	stopping(status: string): void;
	/** What is under way, a start or a stop, may take this much longer from now on. */
	extendTimeout(ms: number): void;
}

/** Nobody watches over this process. */
export const noSupervisor: Supervisor = {
	watchdogMs: 0,
	ready() {},
	status() {},
	ping() {},
	stopping() {},
	extendTimeout() {},
};

type Environment = Record<string, string | undefined>;

/**
 * The supervisor that the environment names. Its variables are taken out of `env`, so
 * that no child of ours takes them for its own.
 * @param onFailure told in words when systemd cannot be reached
 */
export function takeSupervisor(
	env: Environment,
	onFailure: (words: string) => void,
): Supervisor {
	const { NOTIFY_SOCKET: name } = env;
	const watchdogMs = watchdogOf(env);
	delete env.WATCHDOG_USEC;
	delete env.WATCHDOG_PID;
	if (name === undefined || name === "") return noSupervisor;
	const send = openNotifySocket(name);
	// The program needs the variable; it is the only child we have then.
	if (send === null)
		return new SystemdSupervisor(sendByProgram(onFailure), watchdogMs);
	delete env.NOTIFY_SOCKET;
	return new SystemdSupervisor(send, watchdogMs);
}

/** As sd_watchdog_enabled(3) has it: the variables may be meant for a parent of ours. */
function watchdogOf({ WATCHDOG_USEC, WATCHDOG_PID }: Environment): number {
	const isOurs =
		WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid);
	const ms = Number(WATCHDOG_USEC ?? 0) / 1000;
	return isOurs && ms > 0 && Number.isFinite(ms) ? ms : 0;
}

export class SystemdSupervisor implements Supervisor {
	readonly watchdogMs: number;
	readonly #send: SendLines;
	#status = "";
	/** READY=1 that was not taken: systemd would wait for it and then end us. */
	#owed = "";

	constructor(send: SendLines, watchdogMs: number) {
		this.#send = send;
		this.watchdogMs = watchdogMs;
	}

	ready(status: string): void {
		this.#status = status;
		this.#owed = "READY=1\n";
		this.#tell(`STATUS=${inOneLine(status)}`);
	}

	status(words: string): void {
		if (words === this.#status && this.#owed === "") return;
		this.#status = words;
		this.#tell(`STATUS=${inOneLine(words)}`);
	}

	ping(): void {
		this.#tell("WATCHDOG=1");
	}

	stopping(status: string): void {
		this.#status = status;
		this.#owed = "";
		this.#tell(`STOPPING=1\nSTATUS=${inOneLine(status)}`);
	}

	extendTimeout(ms: number): void {
		this.#tell(`EXTEND_TIMEOUT_USEC=${Math.round(ms * 1000)}`);
	}

	#tell(lines: string): void {
		if (this.#send(`${this.#owed}${lines}`)) this.#owed = "";
	}
}

/** A line end would begin another assignment. */
function inOneLine(words: string): string {
	return words.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
