// SPDX-License-Identifier: GPL-2.0
/*
 * What a command costs: the device core on real cores, one thread the host and
 * one the worker, and beside it the plain copying of the same bytes. Prints
 * CSV; times are in nanoseconds.
 *
 *	speed rate ROUNDS	commands per second with a full queue
 *	speed growth ROUNDS	a command's cost by what else there is: commands
 *				in flight, slots, queues that are idle or busy
 *	speed phases ROUNDS	where the time goes; the variant "phases" only
 *	speed copy ROUNDS	ways to copy
 *	speed count CASE	one thread, virtual time, no copying: for an
 *				instruction counter around nvmev_worker_poll()
 *	speed cases		the cases of "count"
 *
 * A worker's cost is the median over all commands of what the polls took that
 * fetched and completed them: neither a host that is slower than the worker
 * counts, nor that a thread loses its core for a while. Of several rounds the
 * best is printed, and the median: other work on the machine only ever adds.
 */
#define _GNU_SOURCE
#include <emmintrin.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "harness.h"

#define STORAGE_BYTES	(64U << 20)
#define BUFFERS_BYTES	(16U << 20)
/* A PRP list for each buffer: 64 KiB have 15 entries in it */
#define LIST_BYTES	128U
#define MAX_ROUNDS	25

/* --- the copy ---------------------------------------------------------------- */

/* Counting leaves the data where it is: only what we do is of interest */
static bool copy_nothing;

static void copy_bytes(void *to, const void *from, size_t n)
{
	__asm__ __volatile__("rep movsb"
			     : "+D" (to), "+S" (from), "+c" (n) : : "memory");
}

/*
 * The core's memcpy() in this program, of the form that the kernel's has where
 * the CPU says that it is fast, and the same whatever the C library chooses.
 */
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	if (copy_nothing && n >= 512)
		return to;
	if (n >= 512 && uspace_phase == USPACE_TRANSFER) {
		uspace_enter(USPACE_COPY);
		copy_bytes(to, from, n);
		uspace_enter(USPACE_HOLD);
		return to;
	}
	copy_bytes(to, from, n);
	if (n == sizeof(struct nvme_command) && uspace_phase == USPACE_FETCH)
		uspace_enter(USPACE_CHECK);
	return to;
}

/* --- time -------------------------------------------------------------------- */

static double ns_per_tick;

static u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void calibrate(void)
{
	u64 ns = clock_ns(), ticks = __rdtsc();

	while (clock_ns() - ns < 50 * NSEC_PER_MSEC)
		;
	ticks = __rdtsc() - ticks;
	ns_per_tick = (double)(clock_ns() - ns) / ticks;
}

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		fprintf(stderr, "speed needs CPUs 0 and 1\n");
		exit(1);
	}
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct series {
	double value[MAX_ROUNDS];
	unsigned int nr;
};

static void series_add(struct series *series, double value)
{
	series->value[series->nr++] = value;
}

static double series_best(struct series *series)
{
	qsort(series->value, series->nr, sizeof(double), compare_doubles);
	return series->value[0];
}

static double series_median(struct series *series)
{
	qsort(series->value, series->nr, sizeof(double), compare_doubles);
	return series->value[series->nr / 2];
}

/*
 * Times per command, each with the number of commands that it stands for; a
 * ring, so that memory is what it is however long one measures.
 */
#define MAX_SAMPLES	65536U

struct samples {
	struct sample {
		double ticks;
		u64 commands;
	} ring[MAX_SAMPLES];
	u64 nr;
	u64 commands;
};

static void samples_add(struct samples *samples, u64 ticks, u64 commands)
{
	struct sample *sample = &samples->ring[samples->nr++ % MAX_SAMPLES];

	sample->ticks = (double)ticks / commands;
	sample->commands = commands;
	samples->commands += commands;
}

static int compare_samples(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return x->ticks < y->ticks ? -1 : x->ticks > y->ticks;
}

/* The median command's time in ns */
static double samples_median(struct samples *samples)
{
	u64 nr = min_t(u64, samples->nr, MAX_SAMPLES), total = 0, sum = 0, i;

	if (!nr)
		return 0;
	qsort(samples->ring, nr, sizeof(*samples->ring), compare_samples);
	for (i = 0; i < nr; i++)
		total += samples->ring[i].commands;
	for (i = 0; i < nr - 1; i++) {
		sum += samples->ring[i].commands;
		if (2 * sum >= total)
			break;
	}
	return samples->ring[i].ticks * ns_per_tick;
}

/* --- phases ------------------------------------------------------------------- */

#ifdef USPACE_PHASES_ON
enum uspace_phase uspace_phase;

/* Of the poll that runs, less what looking at the clock costs */
static u64 phase_ticks[USPACE_PHASES], phase_since, phase_hook;
static struct samples phase_samples[USPACE_PHASES];

void uspace_enter(enum uspace_phase phase)
{
	u64 now, ticks;

	/* Not before what came before is done */
	_mm_lfence();
	now = __rdtsc();
	ticks = now - phase_since;

	phase_ticks[uspace_phase] += ticks - min(ticks, phase_hook);
	phase_since = now;
	uspace_phase = phase;
}

static void phase_begin(void)
{
	memset(phase_ticks, 0, sizeof(phase_ticks));
	uspace_phase = USPACE_POLL;
	phase_since = __rdtsc();
}

static void phase_end(u64 commands)
{
	int p;

	uspace_enter(USPACE_POLL);
	for (p = 0; p < USPACE_PHASES && commands; p++)
		if (phase_ticks[p])
			samples_add(&phase_samples[p], phase_ticks[p],
				    commands);
}
#endif

/* --- the host ------------------------------------------------------------------ */

struct setup {
	u8 opcode;
	u32 bytes;		/* of a command */
	unsigned int queues;	/* that there are */
	unsigned int busy;	/* of which so many are used */
	u32 depth;		/* commands in flight, of all queues */
	u64 latency_ns;
	u32 slots;
	u64 bw;
};

struct host {
	struct setup setup;
	struct nvmev_dev *dev;
	struct uspace_queue queues[NVMEV_MAX_QUEUES];
	u32 share;		/* commands in flight of a queue */
	u64 buffers_at, lists_at;
	u32 nr_buffers;
	u32 buffer;
	u64 seed;
	u64 done;
};

/*
 * All memory is there before anything is measured, in large pages, as the
 * kernel maps its own.
 */
static void touch(void *addr, size_t bytes)
{
	madvise(addr, bytes, MADV_HUGEPAGE);
	memset(addr, 1, bytes);
}

static void host_make_lists(struct host *host)
{
	u32 i, j;

	for (i = 0; i < host->nr_buffers; i++) {
		__le64 *list = (void *)(uspace_host + host->lists_at +
					i * LIST_BYTES);
		u64 page = host->buffers_at + (u64)i * host->setup.bytes;

		for (j = 1; j < host->setup.bytes / 4096; j++)
			list[j - 1] = cpu_to_le64(page + 4096 * j);
	}
}

/* Without threads; the device's worker and the host get theirs later */
static void host_create(struct host *host, const struct setup *setup)
{
	u32 size = min(16384U, DIV_ROUND_UP(setup->depth, setup->busy) + 1);
	u32 ring_bytes = ALIGN(size * 64, 4096) + ALIGN(size * 16, 4096);
	struct nvmev_config config = {
		.start = 0x100000000,
		.size = STORAGE_BYTES + NVMEV_STORAGE_OFFSET,
		.lba_shift = 9,
		.queues = NVMEV_MAX_QUEUES,
		.queue_depth = 16384,
		.nr_workers = 1,
		.interrupts = NVMEV_INTERRUPTS_MSIX,
		.timing = {
			.latency_ns = { setup->latency_ns, setup->latency_ns },
			.bw = { setup->bw, setup->bw },
			.slots = setup->slots,
		},
	};
	struct uspace_queue admin;
	unsigned int i;

	memset(host, 0, sizeof(*host));
	host->setup = *setup;
	host->share = setup->depth / setup->busy;
	host->seed = 1;
	host->nr_buffers = BUFFERS_BYTES / setup->bytes;
	host->lists_at = 8192 + (u64)setup->queues * ring_bytes;
	host->buffers_at = ALIGN(host->lists_at +
				 host->nr_buffers * LIST_BYTES, 4096);
	uspace_host_bytes = host->buffers_at + BUFFERS_BYTES;
	uspace_real_clock = false;
	host->dev = uspace_device_create(&config);
	if (!copy_nothing) {
		touch(host->dev->storage, STORAGE_BYTES);
		touch(uspace_host, uspace_host_bytes);
	}
	check(uspace_enable(host->dev, &admin));
	for (i = 0; i < setup->queues; i++)
		check(!uspace_create_queue(host->dev, &admin, &host->queues[i],
					   i + 1, size,
					   8192 + (u64)i * ring_bytes));
	host_make_lists(host);
}

static void host_destroy(struct host *host)
{
	uspace_real_clock = false;
	check(uspace_disable(host->dev));
	uspace_device_destroy(host->dev);
}

static void host_submit(struct host *host, struct uspace_queue *queue)
{
	struct nvme_command *cmd = (void *)(uspace_host + queue->sq_addr);
	u32 blocks = host->setup.bytes >> 9;
	u64 lba = uspace_random(&host->seed) %
		  (STORAGE_BYTES / host->setup.bytes) * blocks;
	u64 addr = host->buffers_at + (u64)host->buffer * host->setup.bytes;

	cmd += queue->tail;
	cmd->opcode = host->setup.opcode;
	cmd->flags = 0;
	cmd->cid = cpu_to_le16(queue->next_cid++);
	cmd->nsid = cpu_to_le32(1);
	cmd->prp1 = cpu_to_le64(addr);
	cmd->prp2 = host->setup.bytes <= 8192 ? cpu_to_le64(addr + 4096) :
		    cpu_to_le64(host->lists_at + host->buffer * LIST_BYTES);
	cmd->cdw10 = cpu_to_le32(lba);
	cmd->cdw11 = 0;
	cmd->cdw12 = cpu_to_le32(blocks - 1);
	if (++queue->tail == queue->size)
		queue->tail = 0;
	if (++host->buffer == host->nr_buffers)
		host->buffer = 0;
}

static void host_ring(struct host *host, struct uspace_queue *queue)
{
	/* The entries first: pairs with the reading of the doorbell */
	smp_store_release(nvmev_doorbell(host->dev, queue->qid, false),
			  cpu_to_le32(queue->tail));
}

static u32 host_reap(struct host *host, struct uspace_queue *queue)
{
	struct nvme_completion *cqe = (void *)(uspace_host + queue->cq_addr);
	u32 n = 0;

	for (;;) {
		/* Pairs with the dma_wmb() in nvmev_cq_post() */
		u16 status = smp_load_acquire((u16 *)&cqe[queue->head].status);

		if ((status & 1) != queue->phase)
			break;
		check(status >> 1 == 0);
		n++;
		if (++queue->head == queue->size) {
			queue->head = 0;
			queue->phase ^= 1;
		}
	}
	if (n)
		WRITE_ONCE(*nvmev_doorbell(host->dev, queue->qid, true),
			   cpu_to_le32(queue->head));
	host->done += n;
	return n;
}

/* Where two threads share a core the other must get it */
static void let_others(unsigned int *idle, bool worked)
{
	if (worked)
		*idle = 0;
	else if (++*idle % 1024 == 0)
		sched_yield();
}

/* --- the worker ----------------------------------------------------------------- */

/* Polls that only fetched, that only completed, and that did both */
struct work {
	struct nvmev_worker *worker;
	pthread_t thread;
	bool stop;
	struct samples fetch, complete, both;
	u64 ticks;
};

static u64 worker_completed(const struct nvmev_worker *worker)
{
	return worker->host_reads + worker->host_writes;
}

static u64 worker_fetched(const struct nvmev_worker *worker)
{
	return worker_completed(worker) +
	       worker->stat[NVMEV_READ].in_flight +
	       worker->stat[NVMEV_WRITE].in_flight;
}

static void work_account(struct work *work, u64 ticks, u64 fetched,
			 u64 completed)
{
	if (fetched && completed)
		samples_add(&work->both, ticks, max(fetched, completed));
	else if (fetched)
		samples_add(&work->fetch, ticks, fetched);
	else if (completed)
		samples_add(&work->complete, ticks, completed);
}

/* Of a command: by the polls that did all of it if these are the most */
static double work_cost(struct work *work)
{
	if (work->both.commands > work->fetch.commands)
		return samples_median(&work->both);
	return samples_median(&work->fetch) + samples_median(&work->complete);
}

static void *worker_thread(void *data)
{
	struct work *work = data;
	struct nvmev_worker *worker = work->worker;
	u64 fetched, fetched_before = worker_fetched(worker);
	u64 completed, completed_before = worker_completed(worker);
	u64 ticks, carried = 0;
	unsigned int idle = 0;

	pin(1);
	while (!READ_ONCE(work->stop)) {
#ifdef USPACE_PHASES_ON
		phase_begin();
#endif
		ticks = __rdtsc();
		nvmev_worker_poll(worker);
		ticks = __rdtsc() - ticks;
		fetched = worker_fetched(worker);
		completed = worker_completed(worker);
#ifdef USPACE_PHASES_ON
		phase_end(max(fetched - fetched_before,
			      completed - completed_before));
#endif
		ticks += carried;
		carried = 0;
		work->ticks += fetched + completed != fetched_before +
			       completed_before ? ticks : 0;
		if (fetched + completed != fetched_before + completed_before)
			work_account(work, ticks, fetched - fetched_before,
				     completed - completed_before);
		else if (timerqueue_getnext(&worker->transfers))
			carried = ticks;
		let_others(&idle, fetched + completed !=
			   fetched_before + completed_before);
		fetched_before = fetched;
		completed_before = completed;
	}
	return NULL;
}

static void worker_start(struct work *work, struct host *host)
{
	memset(work, 0, sizeof(*work));
	work->worker = &host->dev->workers[0];
	uspace_real_clock = true;
	check(!pthread_create(&work->thread, NULL, worker_thread, work));
}

static void worker_stop(struct work *work)
{
	WRITE_ONCE(work->stop, true);
	pthread_join(work->thread, NULL);
}

/* --- rates --------------------------------------------------------------------- */

/* Keeps the queues full for a time: ns per command as the host sees it */
static double measure_rate(const struct setup *setup, double *cost)
{
	static struct host host;
	static struct work work;
	unsigned int i, idle = 0;
	u64 start, end;
	u32 j, n;

	host_create(&host, setup);
	worker_start(&work, &host);
	for (i = 0; i < setup->busy; i++) {
		for (j = 0; j < host.share; j++)
			host_submit(&host, &host.queues[i]);
		host_ring(&host, &host.queues[i]);
	}
	start = clock_ns();
	end = start + 150 * NSEC_PER_MSEC;
	while (clock_ns() < end) {
		for (i = 0; i < setup->busy; i++) {
			n = host_reap(&host, &host.queues[i]);
			for (j = 0; j < n; j++)
				host_submit(&host, &host.queues[i]);
			if (n)
				host_ring(&host, &host.queues[i]);
			let_others(&idle, n);
		}
	}
	end = clock_ns();
	worker_stop(&work);
	/* What takes several polls has no time of its own: the mean */
	if (setup->bytes > NVME_PAGE_SIZE)
		*cost = work.ticks * ns_per_tick /
			max(worker_completed(work.worker), 1ULL);
	else
		*cost = work_cost(&work);
	host_destroy(&host);
	return (double)(end - start) / host.done;
}

enum copy_way {
	COPY_MOVSB,
	COPY_MOVSQ,
	COPY_BYPASS,
};

static void copy_by(enum copy_way way, u8 *to, const u8 *from, size_t n)
{
	size_t i;

	switch (way) {
	case COPY_MOVSB:
		copy_bytes(to, from, n);
		break;
	case COPY_MOVSQ:
		n /= 8;
		__asm__ __volatile__("rep movsq" : "+D" (to), "+S" (from),
				     "+c" (n) : : "memory");
		break;
	case COPY_BYPASS:
		for (i = 0; i < n; i += 16)
			_mm_stream_si128((void *)(to + i),
					 _mm_load_si128((void *)(from + i)));
		_mm_sfence();
		break;
	}
}

/*
 * The bytes alone, from and to the same places in the same order, on the
 * worker's core: ns per command.
 */
static double measure_copy(const struct setup *setup, enum copy_way way)
{
	u8 *storage = aligned_alloc(4096, STORAGE_BYTES);
	u8 *buffers = aligned_alloc(4096, BUFFERS_BYTES);
	u32 nr = BUFFERS_BYTES / setup->bytes, i;
	static struct samples samples;
	u64 seed = 1, start, end, ticks = 0;

	touch(storage, STORAGE_BYTES);
	touch(buffers, BUFFERS_BYTES);
	pin(1);
	samples.nr = 0;
	start = clock_ns();
	do {
		for (i = 0; i < nr; i++) {
			u8 *block = storage + uspace_random(&seed) %
				    (STORAGE_BYTES / setup->bytes) *
				    setup->bytes;
			u8 *host = buffers + (u64)i * setup->bytes;

			if (i % 32 == 0)
				ticks = __rdtsc();
			if (setup->opcode == NVME_NVM_READ)
				copy_by(way, host, block, setup->bytes);
			else
				copy_by(way, block, host, setup->bytes);
			if (i % 32 == 31)
				samples_add(&samples, __rdtsc() - ticks, 32);
		}
		end = clock_ns();
	} while (end - start < 100 * NSEC_PER_MSEC);
	pin(0);
	free(storage);
	free(buffers);
	return samples_median(&samples);
}

static const struct setup rates[] = {
	{ .opcode = NVME_NVM_READ, .bytes = 4096 },
	{ .opcode = NVME_NVM_WRITE, .bytes = 4096 },
	{ .opcode = NVME_NVM_READ, .bytes = 65536 },
	{ .opcode = NVME_NVM_WRITE, .bytes = 65536 },
};

static void rate(unsigned int rounds)
{
	struct series ns[ARRAY_SIZE(rates)] = { }, cost[ARRAY_SIZE(rates)] = { };
	struct series copy[ARRAY_SIZE(rates)] = { };
	unsigned int round, i;
	double worker;

	for (round = 0; round < rounds; round++) {
		for (i = 0; i < ARRAY_SIZE(rates); i++) {
			struct setup setup = rates[i];

			setup.queues = 1;
			setup.busy = 1;
			setup.depth = 128;
			setup.slots = 32;
			series_add(&copy[i], measure_copy(&setup, COPY_MOVSB));
			series_add(&ns[i], measure_rate(&setup, &worker));
			series_add(&cost[i], worker);
		}
	}
	printf("kind,kib,commands_per_s,ns,ns_median,worker_ns,");
	puts("worker_ns_median,copy_ns,copy_ns_median,of_copy_alone");
	for (i = 0; i < ARRAY_SIZE(rates); i++)
		printf("%s,%u,%.0f,%.1f,%.1f,%.1f,%.1f,%.1f,%.1f,%.3f\n",
		       rates[i].opcode == NVME_NVM_READ ? "read" : "write",
		       rates[i].bytes >> 10, 1e9 / series_best(&ns[i]),
		       series_best(&ns[i]), series_median(&ns[i]),
		       series_best(&cost[i]), series_median(&cost[i]),
		       series_best(&copy[i]), series_median(&copy[i]),
		       series_best(&copy[i]) / series_best(&cost[i]));
}

static void copy(unsigned int rounds)
{
	static const char * const names[] = {
		[COPY_MOVSB] = "movsb",
		[COPY_MOVSQ] = "movsq",
		[COPY_BYPASS] = "bypass",
	};
	unsigned int round, i;
	int way;

	puts("way,kind,kib,ns,ns_median");
	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		for (way = COPY_MOVSB; way <= COPY_BYPASS; way++) {
			struct series ns = { };

			for (round = 0; round < rounds; round++)
				series_add(&ns, measure_copy(&rates[i], way));
			printf("%s,%s,%u,%.1f,%.1f\n", names[way],
			       rates[i].opcode == NVME_NVM_READ ? "read" :
			       "write", rates[i].bytes >> 10, series_best(&ns),
			       series_median(&ns));
		}
	}
}

/* --- growth ---------------------------------------------------------------------- */

/*
 * Rounds of depth commands, each held until all were fetched: what the worker
 * spends on one, fetching and completing.
 */
static double measure_held(struct setup setup)
{
	static struct host host;
	static struct work work;
	u64 cycles, commands, done;
	unsigned int i, idle = 0;
	u32 j;

	commands = max(setup.depth < 16 ? 5000U : 50000U, 2 * setup.depth);
	/* Each slot is free at a time of its own, and none is waited for */
	setup.bw = 1ULL << 40;
	/* Twice as long as the copying of all of them takes, about */
	setup.latency_ns = setup.depth * 1000ULL + 10000;
	host_create(&host, &setup);
	worker_start(&work, &host);
	cycles = DIV_ROUND_UP(commands, (u64)host.share * setup.busy);
	while (cycles--) {
		for (j = 0; j < host.share; j++) {
			for (i = 0; i < setup.busy; i++) {
				host_submit(&host, &host.queues[i]);
				if (j % 32 == 31 || j == host.share - 1)
					host_ring(&host, &host.queues[i]);
			}
		}
		done = host.done + (u64)host.share * setup.busy;
		while (host.done < done)
			for (i = 0; i < setup.busy; i++)
				let_others(&idle, host_reap(&host,
							    &host.queues[i]));
	}
	worker_stop(&work);
	host_destroy(&host);
	return work_cost(&work);
}

static const struct growth {
	const char *what;
	u32 n;
	struct setup setup;
} growths[] = {
	{ "flight", 1, { .queues = 1, .busy = 1, .depth = 1 } },
	{ "flight", 16, { .queues = 1, .busy = 1, .depth = 16 } },
	{ "flight", 256, { .queues = 1, .busy = 1, .depth = 256 } },
	{ "flight", 4096, { .queues = 1, .busy = 1, .depth = 4096 } },
	{ "flight", 65536, { .queues = 8, .busy = 8, .depth = 65536 } },
	{ "slots", 1, { .slots = 1 } },
	{ "slots", 16, { .slots = 16 } },
	{ "slots", 256, { .slots = 256 } },
	{ "slots", 4096, { .slots = 4096 } },
	{ "slots", 65536, { .slots = 65536 } },
	{ "idle_queues", 0, { .queues = 1, .busy = 1 } },
	{ "idle_queues", 15, { .queues = 16, .busy = 1 } },
	{ "idle_queues", 127, { .queues = 128, .busy = 1 } },
	{ "busy_queues", 1, { .queues = 1, .busy = 1 } },
	{ "busy_queues", 16, { .queues = 16, .busy = 16 } },
	{ "busy_queues", 128, { .queues = 128, .busy = 128 } },
};

static double measure_growth(const struct growth *growth)
{
	struct setup setup = growth->setup;
	double cost;

	setup.opcode = NVME_NVM_READ;
	setup.bytes = 4096;
	setup.slots = setup.slots ?: 32;
	setup.queues = setup.queues ?: 1;
	setup.busy = setup.busy ?: 1;
	if (!strcmp(growth->what, "flight"))
		return measure_held(setup);
	setup.depth = setup.busy > 1 ? 512 : 128;
	if (!strcmp(growth->what, "slots")) {
		setup.depth = 512;
		return measure_held(setup);
	}
	measure_rate(&setup, &cost);
	return cost;
}

static void growth(unsigned int rounds)
{
	static struct series ns[ARRAY_SIZE(growths)];
	unsigned int round, i;

	for (round = 0; round < rounds; round++)
		for (i = 0; i < ARRAY_SIZE(growths); i++)
			series_add(&ns[i], measure_growth(&growths[i]));
	puts("what,n,ns,ns_median");
	for (i = 0; i < ARRAY_SIZE(growths); i++)
		printf("%s,%u,%.1f,%.1f\n", growths[i].what, growths[i].n,
		       series_best(&ns[i]), series_median(&ns[i]));
}

/* --- phases ------------------------------------------------------------------------ */

#ifdef USPACE_PHASES_ON
static const char * const phase_names[USPACE_PHASES] = {
	[USPACE_POLL] = "poll",
	[USPACE_FETCH] = "fetch",
	[USPACE_CHECK] = "check",
	[USPACE_TIMING] = "timing",
	[USPACE_TRANSFER] = "transfer",
	[USPACE_COPY] = "copy",
	[USPACE_HOLD] = "hold",
	[USPACE_COMPLETE] = "complete",
};

static void phase_calibrate(void)
{
	const unsigned int nr = 1000000;
	unsigned int i;
	u64 ticks = __rdtsc();

	for (i = 0; i < nr; i++)
		uspace_enter(USPACE_POLL);
	phase_hook = (__rdtsc() - ticks) / nr;
}

static void phases(unsigned int rounds)
{
	static const u32 depths[] = { 1, 32, 4096 };
	unsigned int round, d;
	double total;
	int p;

	phase_calibrate();
	puts("depth,phase,ns,ns_median");
	for (d = 0; d < ARRAY_SIZE(depths); d++) {
		struct series ns[USPACE_PHASES] = { };

		for (round = 0; round < rounds; round++) {
			struct setup setup = {
				.opcode = NVME_NVM_READ, .bytes = 4096,
				.queues = 1, .busy = 1, .depth = depths[d],
				.slots = 32,
			};

			for (p = 0; p < USPACE_PHASES; p++)
				phase_samples[p].nr = 0;
			measure_held(setup);
			for (p = 0; p < USPACE_PHASES; p++)
				series_add(&ns[p],
					   samples_median(&phase_samples[p]));
		}
		total = 0;
		for (p = 0; p < USPACE_PHASES; p++) {
			printf("%u,%s,%.1f,%.1f\n", depths[d], phase_names[p],
			       series_best(&ns[p]), series_median(&ns[p]));
			total += series_best(&ns[p]);
		}
		printf("%u,all,%.1f,\n", depths[d], total);
	}
}
#endif

/* --- counting ------------------------------------------------------------------------ */

static const struct count {
	const char *name;
	u32 held;		/* commands in flight before any is due */
	struct setup setup;
} counts[] = {
	{ "read-4k-depth-1", 1, { .queues = 1, .busy = 1 } },
	{ "read-4k-depth-32", 32, { .queues = 1, .busy = 1 } },
	{ "write-4k-depth-32", 32, { .opcode = NVME_NVM_WRITE,
				     .queues = 1, .busy = 1 } },
	{ "read-64k-depth-32", 32, { .bytes = 65536,
				     .queues = 1, .busy = 1 } },
	{ "read-4k-depth-4096", 4096, { .queues = 1, .busy = 1 } },
	{ "read-4k-slots-4096", 512, { .queues = 1, .busy = 1,
				       .slots = 4096 } },
	{ "read-4k-idle-queues-127", 32, { .queues = 128, .busy = 1 } },
	{ "read-4k-busy-queues-128", 512, { .queues = 128, .busy = 128 } },
	{ "poll-1-queue", 0, { .queues = 1, .busy = 1 } },
	{ "poll-128-queues", 0, { .queues = 128, .busy = 1 } },
};

static void count_polls(struct host *host)
{
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		uspace_now_ns += 100;
		nvmev_worker_poll(&host->dev->workers[0]);
	}
}

/* As measure_held(), by hand */
static void count_commands(struct host *host)
{
	struct nvmev_worker *worker = &host->dev->workers[0];
	struct uspace_queue *queue;
	u64 target;
	u32 i, j;

	do {
		target = host->done + host->share * host->setup.busy;
		for (i = 0; i < host->setup.busy; i++) {
			queue = &host->queues[i];
			for (j = 0; j < host->share; j++)
				host_submit(host, queue);
			host_ring(host, queue);
		}
		while (worker->stat[NVMEV_READ].in_flight +
		       worker->stat[NVMEV_WRITE].in_flight +
		       worker_completed(worker) < target) {
			uspace_now_ns += 100;
			nvmev_worker_poll(worker);
		}
		uspace_now_ns += 2 * host->setup.latency_ns;
		while (host->done < target) {
			uspace_now_ns += 100;
			nvmev_worker_poll(worker);
			for (i = 0; i < host->setup.busy; i++)
				host_reap(host, &host->queues[i]);
		}
	} while (host->done < 4096);
}

static int count(const char *name)
{
	static struct host host;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		struct setup setup = counts[i].setup;

		if (strcmp(name, counts[i].name))
			continue;
		setup.opcode = setup.opcode ?: NVME_NVM_READ;
		setup.bytes = setup.bytes ?: 4096;
		setup.slots = setup.slots ?: 32;
		setup.depth = counts[i].held ?: 1;
		setup.latency_ns = NSEC_PER_MSEC;
		setup.bw = 1ULL << 40;
		copy_nothing = true;
		host_create(&host, &setup);
		/* From here on the polls are those to be counted */
		if (counts[i].held) {
			count_commands(&host);
			printf("%llu\n", host.done);
		} else {
			count_polls(&host);
			puts("1000");
		}
		fflush(stdout);
		/* What taking it down costs is not */
		_exit(0);
	}
	fprintf(stderr, "no case %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc == 3 ? strtoul(argv[2], NULL, 0) : 0, i;

	if (argc == 3 && !strcmp(argv[1], "count"))
		return count(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "cases")) {
		for (i = 0; i < ARRAY_SIZE(counts); i++)
			puts(counts[i].name);
		return 0;
	}
	if (!rounds || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: %s rate|growth|phases|copy ROUNDS | count CASE | cases\n",
			argv[0]);
		return 2;
	}
	uspace_quiet = true;
	pin(0);
	calibrate();
	if (!strcmp(argv[1], "rate"))
		rate(rounds);
	else if (!strcmp(argv[1], "growth"))
		growth(rounds);
	else if (!strcmp(argv[1], "copy"))
		copy(rounds);
#ifdef USPACE_PHASES_ON
	else if (!strcmp(argv[1], "phases"))
		phases(rounds);
#endif
	else
		return 2;
	return 0;
}
