/** Standard error as systemd makes it for a service: a socket whose reading side is shut. */
import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import t from "tap";

const sink = resolve(import.meta.dirname, "../../src/platform/log-sink.ts");

/** Gives its end to the program as systemd does, and prints what comes out of the other. */
const journal = `
import socket, subprocess, sys
ours, theirs = socket.socketpair()
theirs.shutdown(socket.SHUT_RD)
child = subprocess.Popen(sys.argv[1:], stderr=theirs.fileno())
theirs.close()
while True:
    text = ours.recv(65536)
    if not text: break
    sys.stdout.write(text.decode())
child.wait()
`;

t.test("lines reach the journal after the first one too", async (t) => {
	const folder = t.testdir({
		"writes.ts": `import { stderrSink } from ${JSON.stringify(sink)};
let left = 3;
const timer = setInterval(() => {
	stderrSink("line " + left, "info");
	if (--left === 0) clearInterval(timer);
}, 20);`,
	});
	const said = execFileSync(
		"/usr/bin/python3",
		["-c", journal, process.execPath, join(folder, "writes.ts")],
		{ encoding: "utf8", timeout: 60_000 },
	);
	t.equal(said, "line 3\nline 2\nline 1\n");
});
