// SPDX-License-Identifier: GPL-2.0
/*
 * The timing model against a reference that is nothing but its definition in
 * words: N times, each unit takes the smallest. Every due time, and at last
 * every slot, must be equal in nanoseconds. Where that would take too long, with
 * many slots, the smallest is found by a plain heap of all slots, which is
 * compared with the reference wherever that is at hand.
 *
 *	model COMMANDS SEED	compare so many random commands
 *	model COMMANDS SEED large
 *				the same, with up to 65536 slots and commands of
 *				up to 65536 units
 *	model cost		print what a command costs, as CSV
 *	model count SLOTS UNITS	do so many commands of UNITS as it prints, in
 *				count_commands(), for callgrind
 *	model shrink		print what it costs to have fewer slots
 */
#include <time.h>

#include "harness.h"

#define MAX_SLOTS	65536
#define MAX_UNITS	65536

/* --- the reference ----------------------------------------------------------- */

struct reference {
	u64 free_ns[MAX_SLOTS];
	/* The first is the smallest: none is later than the two at twice its place */
	bool heap;
	u32 nr;
	u64 latency_ns[2];
	u64 bw[2];
};

static u32 reference_first(const struct reference *ref)
{
	u32 first = 0, i;

	if (ref->heap)
		return 0;
	for (i = 1; i < ref->nr; i++)
		if (ref->free_ns[i] < ref->free_ns[first])
			first = i;
	return first;
}

/* Another time for the slot that was free first */
static void reference_set(struct reference *ref, u32 slot, u64 free_ns)
{
	u32 child;

	ref->free_ns[slot] = free_ns;
	if (!ref->heap)
		return;
	while ((child = 2 * slot + 1) < ref->nr) {
		if (child + 1 < ref->nr &&
		    ref->free_ns[child + 1] < ref->free_ns[child])
			child++;
		if (ref->free_ns[child] >= ref->free_ns[slot])
			break;
		swap(ref->free_ns[child], ref->free_ns[slot]);
		slot = child;
	}
}

/* N * 4 KiB / bw, to the nearest nanosecond */
static u64 reference_occupancy(const struct reference *ref, int kind)
{
	unsigned __int128 product = ref->nr;

	if (!ref->bw[kind])
		return ref->latency_ns[kind];
	product *= 4096ULL * 1000000000ULL;
	return (product + ref->bw[kind] / 2) / ref->bw[kind];
}

static u64 reference_due(struct reference *ref, int kind, u64 now, u32 units)
{
	u64 occupancy = reference_occupancy(ref, kind);
	u64 due = 0;

	while (units--) {
		u32 slot = reference_first(ref);
		u64 start = ref->free_ns[slot] > now ? ref->free_ns[slot] : now;

		reference_set(ref, slot, start + occupancy);
		due = start + ref->latency_ns[kind];
	}
	return due;
}

static void reference_resize(struct reference *ref, u32 nr)
{
	while (ref->nr < nr) {
		u32 slot = ref->nr++;

		/* In a heap those above are no earlier: one place down each */
		for (; ref->heap && slot; slot = (slot - 1) / 2)
			ref->free_ns[slot] = ref->free_ns[(slot - 1) / 2];
		ref->free_ns[slot] = 0;
	}
	/* Those that are free first go */
	while (ref->nr > nr) {
		u32 first = reference_first(ref);

		ref->nr--;
		reference_set(ref, first, ref->free_ns[ref->nr]);
	}
	ref->bw[0] = 0;
	ref->bw[1] = 0;
}

static int compare_times(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* All slots, sorted, are the same multiset of times */
static void compare_slots(struct nvmev_slots *slots, const struct reference *r)
{
	static u64 model[MAX_SLOTS], ref[MAX_SLOTS];
	u32 nr = 0, i, j;

	for (i = 0; i < slots->nr_groups; i++) {
		check(slots->heap[i].count);
		for (j = 0; j < slots->heap[i].count; j++) {
			check(nr < MAX_SLOTS);
			model[nr++] = slots->heap[i].free_ns;
		}
	}
	check(nr == r->nr && nr == slots->nr_slots);
	memcpy(ref, r->free_ns, nr * sizeof(*ref));
	qsort(model, nr, sizeof(*model), compare_times);
	qsort(ref, nr, sizeof(*ref), compare_times);
	check(!memcmp(model, ref, nr * sizeof(*ref)));
}

/* --- random commands --------------------------------------------------------- */

static u64 seed;

static u64 below(u64 n)
{
	return uspace_random(&seed) % n;
}

static u32 random_slots(bool large)
{
	static const u32 most[] = { 1, 2, 8, 33, 64, 300 };

	if (large && below(4))
		return below(2) ? MAX_SLOTS : 1 + below(MAX_SLOTS);
	return 1 + below(most[below(6)]);
}

static u32 random_units(bool large)
{
	if (large && !below(64))
		return below(4) ? 1 + below(MAX_UNITS) : MAX_UNITS;
	switch (below(8)) {
	case 0:
		return 1 + below(2);
	case 1:
		return 1 + below(64);
	case 2:
		return below(16) ? 32 : 512;
	default:
		return 1;
	}
}

static u64 random_latency(void)
{
	static const u64 most[] = { 1, 1000, 100000, 10000000, 1000000000 };

	return below(most[below(5)]);
}

/* The references: by definition, unless there are too many slots, and a heap */
static struct reference refs[2] = { { .heap = false }, { .heap = true } };

/* A knob is turned, in the model and in the references */
static void random_knob(struct nvmev_timing *timing, bool large)
{
	int kind = below(2), knob = below(3);
	struct reference *ref;
	u64 value;

	switch (knob) {
	case 0:
		value = random_latency();
		nvmev_timing_set_latency(timing, kind, value);
		break;
	case 1:
		value = below(3) ? (1 + below(20000)) << 20 : 0;
		nvmev_timing_set_bw(timing, kind, value);
		break;
	default:
		value = random_slots(large);
		check(!nvmev_timing_set_slots(timing, value));
		break;
	}
	for (ref = &refs[large]; ref < refs + ARRAY_SIZE(refs); ref++) {
		if (knob == 0)
			ref->latency_ns[kind] = value;
		else if (knob == 1)
			ref->bw[kind] = value;
		else
			reference_resize(ref, value);
	}
}

static void compare(u64 commands, bool large)
{
	const u64 knob_every = large ? 200 : 1000;
	const u64 slots_every = large ? 1000 : 10000;
	struct nvmev_timing timing;
	struct nvmev_timing_config config = { .slots = large ? MAX_SLOTS : 32 };
	u64 now = 1, due, wait, n, units_done = 0, knobs = 0;
	struct reference *ref;

	check(!nvmev_timing_init(&timing, &config));
	refs[0].nr = config.slots;
	refs[1].nr = config.slots;

	for (n = 0; n < commands; n++) {
		u32 units = random_units(large);
		int kind = below(2);

		if (!below(knob_every)) {
			random_knob(&timing, large);
			knobs++;
		}
		/*
		 * In bursts, with pauses now and then, and a little back:
		 * workers do not read the clock in the order they submit.
		 */
		switch (below(8)) {
		case 0:
			now += below(2 * (refs[1].latency_ns[0] + 100));
			break;
		case 1:
			now += below(10000);
			break;
		case 2:
			now -= min(now - 1, below(3000));
			break;
		}
		if (!below(100 * knob_every))
			now += 10000000000ULL;

		spin_lock(&timing.lock);
		due = nvmev_timing_due(&timing, kind, now, units, &wait);
		spin_unlock(&timing.lock);
		for (ref = &refs[large]; ref < refs + ARRAY_SIZE(refs); ref++) {
			if (due == reference_due(ref, kind, now, units))
				continue;
			fprintf(stderr, "command %llu differs from the %s\n", n,
				ref->heap ? "heap of all slots" : "definition");
			exit(1);
		}
		check(due == now + wait + refs[1].latency_ns[kind]);
		units_done += units;
		if (!below(slots_every))
			for (ref = &refs[large]; ref < refs + ARRAY_SIZE(refs); ref++)
				compare_slots(&timing.slots, ref);
	}
	for (ref = &refs[large]; ref < refs + ARRAY_SIZE(refs); ref++)
		compare_slots(&timing.slots, ref);
	nvmev_timing_destroy(&timing);
	printf("%llu commands of %llu units equal, %llu knobs turned\n",
	       commands, units_done, knobs);
}

/* --- cost ---------------------------------------------------------------------- */

static double nanoseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/*
 * The worst case: a backlog in which every slot is free at a time of its own,
 * so that no two units of a command start together.
 */
static double cost_of(u32 slots, u32 units)
{
	const u32 commands = max(1000U, 1000000 / units);
	struct nvmev_slots state;
	double start, best = 1e18;
	u32 round, i;

	for (round = 0; round < 5; round++) {
		check(!nvmev_slots_init(&state, slots));
		for (i = 0; i < slots; i++)
			nvmev_slots_serve(&state, 1 + below(1000000), 1,
					  1000000);
		start = nanoseconds();
		for (i = 0; i < commands; i++)
			nvmev_slots_serve(&state, 1, units, 1000000);
		best = min(best, (nanoseconds() - start) / commands);
		nvmev_slots_destroy(&state);
	}
	return best;
}

/* A function of its own, that callgrind counts from here on */
static __attribute__((noinline)) void
count_commands(struct nvmev_slots *state, u32 units, u32 commands)
{
	while (commands--)
		nvmev_slots_serve(state, 1, units, 1000000);
}

/* The same worst case */
static void count(u32 slots, u32 units)
{
	const u32 commands = max(10U, 10000 / units);
	struct nvmev_slots state;
	u32 i;

	check(!nvmev_slots_init(&state, slots));
	for (i = 0; i < slots; i++)
		nvmev_slots_serve(&state, 1 + below(1000000), 1, 1000000);
	count_commands(&state, units, commands);
	nvmev_slots_destroy(&state);
	printf("%u\n", commands);
}

static void cost(void)
{
	static const u32 slots[] = { 1, 32, 512, 65536 };
	static const u32 units[] = { 1, 4, 32, 256 };
	unsigned int s, u;

	puts("slots,kib,ns_per_command");
	for (s = 0; s < ARRAY_SIZE(slots); s++)
		for (u = 0; u < ARRAY_SIZE(units); u++)
			printf("%u,%u,%.1f\n", slots[s], 4 * units[u],
			       cost_of(slots[s], units[u]));
}

/*
 * How long it takes to shrink a device whose million slots are all free at times
 * of their own, with the lock held, and what as many commands take.
 */
static void shrink(void)
{
	struct nvmev_slot_group *heap, *old;
	double start, best = 1e18, serve = 1e18;
	struct nvmev_slots state;
	u32 round, i;

	for (round = 0; round < 3; round++) {
		start = nanoseconds();
		check(!nvmev_slots_init(&state, NVMEV_MAX_SLOTS));
		for (i = 0; i < NVMEV_MAX_SLOTS; i++)
			nvmev_slots_serve(&state, 1 + below(1000000), 1,
					  1000000);
		serve = min(serve, nanoseconds() - start);
		heap = calloc(NVMEV_MAX_SLOTS, sizeof(*heap));
		memset(heap, 1, NVMEV_MAX_SLOTS * sizeof(*heap));
		old = state.heap;
		start = nanoseconds();
		nvmev_slots_resize(&state, heap, NVMEV_MAX_SLOTS / 2);
		best = min(best, nanoseconds() - start);
		check(state.nr_slots == NVMEV_MAX_SLOTS / 2);
		free(old);
		nvmev_slots_destroy(&state);
	}
	printf("%.1f ms, as many commands %.1f ms\n", best / 1e6, serve / 1e6);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "shrink")) {
		seed = 1;
		shrink();
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "cost")) {
		seed = 1;
		cost();
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "count")) {
		seed = 1;
		count(strtoul(argv[2], NULL, 0), strtoul(argv[3], NULL, 0));
		return 0;
	}
	if (argc != 3 && (argc != 4 || strcmp(argv[3], "large"))) {
		fprintf(stderr, "usage: %s COMMANDS SEED [large] | cost | count SLOTS UNITS | shrink\n",
			argv[0]);
		return 2;
	}
	seed = strtoull(argv[2], NULL, 0) ?: 1;
	compare(strtoull(argv[1], NULL, 0), argc == 4);
	return 0;
}
