/** A publisher's ticket that can still be told no while it waits. */
import type { ReasonCode } from "../protocol/reason-codes.ts";
import { CommitTicket } from "../store/commit-ticket.ts";

export abstract class RefusableTicket extends CommitTicket {
	/** For the acknowledgement, whatever the handler of the packet said before. */
	abstract refuse(reason: ReasonCode): void;
}
