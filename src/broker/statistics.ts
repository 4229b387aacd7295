/** What the broker counts, beside the sessions' own counters. */
export class Statistics {
	bytesReceived = 0;
	bytesSent = 0;
	packetsReceived = 0;
	publishReceived = 0;
	publishDenied = 0;
	subscribeDenied = 0;
	connectionsAccepted = 0;
	connectionsRefused = 0;
	protocolErrors = 0;
	keepAliveTimeouts = 0;
	sendTimeouts = 0;
	publishersPaused = 0;
	/** Because memory was short. */
	publishersSlowed = 0;
}
