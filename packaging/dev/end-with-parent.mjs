// Loaded into the broker by `npm start`: ends it when the npm that started it is gone, however
// npm died. Without this a killed npm would leave a broker that holds its ports.

import { isMainThread } from "node:worker_threads";

const checkMs = 500;

if (isMainThread && process.env.npm_lifecycle_event !== undefined) {
	const parent = process.ppid;
	const timer = setInterval(() => {
		if (process.ppid === parent) return;
		clearInterval(timer);
		process.kill(process.pid, "SIGTERM");
	}, checkMs);
	timer.unref();
}
