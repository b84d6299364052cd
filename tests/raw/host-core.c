// SPDX-License-Identifier: GPL-2.0
/*
 * The host of raw.h around the device core of tests/uspace: one thread, in
 * which the device runs while the test waits, and a clock that moves then.
 */
#include "raw.h"
#include "harness.h"

/* How far the clock goes in one raw_pause() */
#define CORE_STEP_NS	2000

u8 *raw_mem;
size_t raw_mem_bytes;
bool raw_native = true;
u64 raw_no_memory[8];
unsigned int raw_nr_no_memory;

static struct nvmev_dev *core;

void raw_open(const struct raw_options *options)
{
	struct nvmev_config config = {
		.start = 0x100000000,
		.size = NVMEV_STORAGE_OFFSET + options->storage_bytes,
		.lba_shift = options->lba_shift,
		.queues = 16,
		.queue_depth = 1024,
		.nr_workers = 2,
		.interrupts = NVMEV_INTERRUPTS_MSIX,
		.dbbuf = options->dbbuf,
		.timing = { .slots = 32 },
	};

	uspace_quiet = true;
	uspace_threads = options->threads;
	core = uspace_device_create(&config);
	raw_mem = uspace_host;
	raw_mem_bytes = USPACE_HOST_BYTES;
	raw_need(options->mem_bytes <= raw_mem_bytes);
	raw_no_memory[0] = USPACE_HOST_BYTES;
	raw_no_memory[1] = 1ULL << 40;
	raw_no_memory[2] = 1ULL << 52;
	raw_no_memory[3] = ~0ULL - 4095;
	raw_nr_no_memory = 4;
}

void raw_close(void)
{
	uspace_device_destroy(core);
	core = NULL;
}

void *raw_bar(unsigned int reg)
{
	return core->bar + reg;
}

u64 raw_addr(const void *ptr)
{
	return (const u8 *)ptr - raw_mem;
}

void raw_pause(void)
{
	uspace_run(core, 1);
	if (!uspace_threads)
		uspace_now_ns += CORE_STEP_NS;
}

u64 raw_now_ns(void)
{
	return nvmev_clock_ns();
}

void raw_latency_us(unsigned int us)
{
	nvmev_timing_set_latency(&core->timing, NVMEV_READ, us * 1000ULL);
	nvmev_timing_set_latency(&core->timing, NVMEV_WRITE, us * 1000ULL);
}

void raw_slots(unsigned int slots)
{
	raw_need(!nvmev_timing_set_slots(&core->timing, slots));
}

void raw_set_dma(bool on)
{
	core->dma = on;
}

void raw_set_msix(bool on, bool masked)
{
}

void raw_set_intx(bool on)
{
}

bool raw_intx_is_on(void)
{
	return false;
}

bool raw_intx_is_asserted(void)
{
	return false;
}

bool raw_flr(void)
{
	return false;
}

long raw_in_flight(void)
{
	long sum = 0;
	unsigned int w, kind;

	for (w = 0; w < core->config.nr_workers; w++)
		for (kind = 0; kind < NVMEV_KINDS; kind++)
			sum += core->workers[w].stat[kind].in_flight;
	return sum;
}
