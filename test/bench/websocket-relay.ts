/**
 * A process that takes connections on a unix socket and passes each on to a broker's
 * WebSocket port: `node websocket-relay.ts SOCKET PORT`. Says `ready` when it listens.
 */
import { createServer } from "node:net";
import { WebSocket } from "ws";

const [path = "", port = ""] = process.argv.slice(2);

createServer((socket) => {
	const ws = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, "mqtt", {
		perMessageDeflate: false,
	});
	socket.pause();
	ws.on("open", () => socket.resume());
	socket.on("data", (chunk) => {
		ws.send(chunk);
		if (ws.bufferedAmount === 0) return;
		socket.pause();
		ws.once("drain", () => {});
		setImmediate(function look() {
			if (ws.bufferedAmount === 0) socket.resume();
			else setImmediate(look);
		});
	});
	ws.on("message", (data) => {
		socket.write(data as Buffer);
	});
	const end = () => {
		socket.destroy();
		ws.terminate();
	};
	socket.on("close", end);
	socket.on("error", end);
	ws.on("close", end);
	ws.on("error", end);
}).listen(path, () => console.log("ready"));
