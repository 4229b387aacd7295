/** The package has no declarations of its own. */
declare module "systemd-notify" {
	/** Rejects with what the program said, or with an Error when it could not be run. */
	export default function notify(options: {
		ready?: boolean;
		status?: string;
	}): Promise<unknown>;
}
