import { readOperation } from "./batch-codec.ts";
import { ByteReader } from "./byte-writer.ts";
import { OperationKind } from "./operation.ts";
import type { CommitRequest, ReadRequest } from "./worker-messages.ts";

/**
 * What the batches that could not be committed yet would change. A read of anything else
 * is answered; a read of these waits, as it must see every write made before it.
 */
export class Touched {
	readonly #keys = new Set<number>();
	readonly #values = new Set<string>();
	#retained = false;

	add(request: CommitRequest): void {
		const reader = new ByteReader(request.memory, 0, request.length);
		while (!reader.isAtEnd) {
			const operation = readOperation(reader);
			switch (operation.kind) {
				case OperationKind.PutRetained:
				case OperationKind.DeleteRetained:
					this.#retained = true;
					break;
				case OperationKind.PutValue:
					this.#values.add(valueName(operation.text ?? "", operation.name));
					break;
				default:
					this.#keys.add(operation.key);
			}
		}
	}

	clear(): void {
		this.#keys.clear();
		this.#values.clear();
		this.#retained = false;
	}

	concerns(request: ReadRequest): boolean {
		switch (request.type) {
			case "sessions":
				return this.#keys.size > 0;
			case "queue":
				return this.#keys.has(request.key);
			case "retained":
				return this.#retained;
			case "value":
				return this.#values.has(valueName(request.space, request.name));
		}
	}
}

function valueName(space: string, name: string): string {
	return `${space}\u0000${name}`;
}
