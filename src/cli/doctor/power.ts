import { type Finding, ok, problem, warning } from "./finding.ts";
import type { Machine } from "./machine.ts";
import type { Check } from "./situation.ts";

const FILES = [
	"/sys/devices/platform/soc/soc:firmware/get_throttled",
	"/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled",
];

const LOW_NOW = 1;

/** Bits of `get_throttled`: each is there for now, and 16 bits higher for since the boot. */
const bits = [
	{ bit: 0, id: "low-voltage", words: "the voltage is too low" },
	{ bit: 1, id: "frequency-capped", words: "the processor is slowed down" },
	{ bit: 2, id: "throttled", words: "the processor is throttled" },
	{ bit: 3, id: "too-hot", words: "the processor is at its limit of heat" },
];

/** Low voltage and heat, which a Raspberry Pi reports. Nothing is found on other machines. */
export const power: Check = {
	subject: "power",
	async look({ machine }) {
		const value = await throttled(machine);
		if (value === null) return [];
		const findings = describe(value);
		return findings.length > 0
			? findings
			: [ok("power", "voltage and heat have been well since the boot")];
	},
};

/** @returns null where nothing tells */
async function throttled(machine: Machine): Promise<number | null> {
	const { value } = await machine.run("vcgencmd", "get_throttled");
	const shown = /throttled=0x([0-9a-f]+)/i.exec(value ?? "")?.[1];
	if (shown !== undefined) return Number.parseInt(shown, 16);
	for (const path of FILES) {
		const { value: text } = await machine.text(path);
		const hex = /^(?:0x)?([0-9a-f]+)\s*$/i.exec(text ?? "")?.[1];
		if (hex !== undefined) return Number.parseInt(hex, 16);
	}
	return (await sensor(machine)) ? LOW_NOW : null;
}

/** The kernel's own sensor, which Raspberry Pis have where nothing else tells. */
async function sensor(machine: Machine): Promise<boolean> {
	const folder = "/sys/class/hwmon";
	for (const name of (await machine.names(folder)).value ?? []) {
		const kind = await machine.text(`${folder}/${name}/name`);
		if (kind.value?.trim() !== "rpi_volt") continue;
		const alarm = await machine.text(`${folder}/${name}/in0_lcrit_alarm`);
		return alarm.value?.trim() === "1";
	}
	return false;
}

function describe(value: number): Finding[] {
	const has = (bit: number) => ((value >>> bit) & 1) === 1;
	return bits.flatMap(({ bit, id, words }) => {
		if (!has(bit) && !has(bit + 16)) return [];
		const isVoltage = bit === 0;
		const more = {
			why: isVoltage
				? "cards and USB disks lose data at low voltage, and the machine may restart"
				: "the broker gets less of the processor",
			fix: isVoltage
				? "use the power supply made for this board and a short cable, and feed USB disks by themselves; then: vcgencmd get_throttled"
				: "give it air or a heat sink; look with: vcgencmd measure_temp",
		};
		if (has(bit)) return [(isVoltage ? problem : warning)(id, words, more)];
		const since = words.replace(/\bis\b/, "was");
		return [warning(id, `${since} at times since the boot`, more)];
	});
}
