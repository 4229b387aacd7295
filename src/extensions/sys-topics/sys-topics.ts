/**
 * `$SYS/broker/...`: how the broker is doing, as topics that any MQTT client can watch.
 * Names follow mosquitto's, so existing dashboards keep working [E12, VD130].
 * Values are published, not retained in the store: a figure from before a restart
 * would be wrong, and a flash card should not pay for it.
 */
import type {
	BrokerApi,
	Extension,
	WearStatus,
} from "../../broker/broker-api.ts";
import type { TimerHandle } from "../../platform/clock.ts";

export function sysTopics(): Extension {
	return new SysTopics();
}

const NOTHING = Buffer.alloc(0);

class SysTopics implements Extension {
	readonly name = "sys-topics";
	#broker: BrokerApi | null = null;
	#timer: TimerHandle | null = null;

	start(broker: BrokerApi): void {
		this.#broker = broker;
		this.#arm();
	}

	stop(): void {
		if (this.#timer !== null) this.#broker?.clock.clearTimer(this.#timer);
		this.#timer = null;
		this.#broker = null;
	}

	#arm(): void {
		const broker = this.#broker;
		if (broker === null) return;
		this.#timer = broker.clock.setTimer(() => {
			if (broker.settings.systree_enabled) this.#publishAll(broker);
			this.#arm();
		}, broker.settings.systree_interval);
	}

	#publishAll(broker: BrokerApi): void {
		for (const [name, value] of figures(broker)) {
			broker.publish({
				topic: `$SYS/broker/${name}`,
				qos: 0,
				retain: false,
				payload: Buffer.from(String(value)),
				properties: NOTHING,
				expirySeconds: -1,
			});
		}
	}
}

function figures(broker: BrokerApi): readonly [string, string | number][] {
	const { statistics, counters, store, wear, ...status } = broker.status;
	return [
		["uptime", `${status.uptimeSeconds} seconds`],
		["clients/connected", status.connections],
		["clients/total", status.sessions],
		["clients/disconnected", status.sessions - status.connections],
		["subscriptions/count", status.subscriptions],
		["shared_subscriptions/count", status.sharedSubscriptions],
		["retained messages/count", store.retainedMessages],
		["store/messages/count", counters.queuedMessages],
		["store/messages/bytes", counters.queuedBytes],
		["store/trouble", store.trouble || "none"],
		["alarm", status.alarms.join("; ") || "none"],
		["bytes/received", statistics.bytesReceived],
		["messages/received", statistics.packetsReceived],
		["publish/messages/received", statistics.publishReceived],
		["publish/messages/sent", counters.publishSent],
		[
			"publish/messages/dropped",
			counters.droppedSlowReader + counters.droppedQueueFull,
		],
		["store/commits", store.commits],
		["store/writes/saved", store.cancelled],
		...wearFigures(wear),
	];
}

/** What the disk has to bear; figures that the system does not tell are left out. */
function wearFigures(wear: WearStatus): readonly [string, string | number][] {
	const { sinceStart, lastHour, lastDay, lifetimeBytes, pages } = wear;
	const figures: [string, string | number][] = [["store/wear", wear.words]];
	const add = (name: string, value: number | null | undefined) => {
		if (value != null) figures.push([`store/${name}`, Math.round(value)]);
	};
	add("written/bytes", sinceStart?.bytes);
	add("written/bytes/hour", lastHour?.bytes);
	add("written/bytes/day", lastDay?.bytes);
	add("written/bytes/year", lastDay?.bytesPerYear);
	add("written/bytes/lifetime", lifetimeBytes);
	for (const [cause, count] of Object.entries(pages))
		add(`pages/${cause}`, count);
	return figures;
}
