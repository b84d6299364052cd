// SPDX-License-Identifier: GPL-2.0
/*
 * The timing model: a device of N slots, each serving one 4 KiB unit at a
 * time. Slots that come free at the same time are kept as one group, so a
 * large command costs as many steps as there are different times, not as
 * there are units.
 *
 * nvmev_slots_*() are pure arithmetic on their arguments. nvmev_timing_*()
 * add the lock and the settings; the workers and the writers of /proc/nvmev
 * call them.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "nvmev.h"

/* Far enough in the future for a backlog that will never be worked off */
#define NVMEV_TIME_MAX	BIT_ULL(62)

static void nvmev_slots_push(struct nvmev_slots *slots,
			     struct nvmev_slot_group group)
{
	struct nvmev_slot_group *heap = slots->heap;
	u32 i = slots->nr_groups++;

	while (i) {
		u32 parent = (i - 1) / 2;

		if (heap[parent].free_ns <= group.free_ns)
			break;
		heap[i] = heap[parent];
		i = parent;
	}
	heap[i] = group;
}

/* Puts a group in the place of another, of the first or of one below */
static void nvmev_slots_sink(struct nvmev_slots *slots, u32 i,
			     struct nvmev_slot_group group)
{
	struct nvmev_slot_group *heap = slots->heap;
	u32 nr = slots->nr_groups;

	for (;;) {
		u32 child = 2 * i + 1;

		if (child >= nr)
			break;
		if (child + 1 < nr &&
		    heap[child + 1].free_ns < heap[child].free_ns)
			child++;
		if (group.free_ns <= heap[child].free_ns)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = group;
}

static void nvmev_slots_pop(struct nvmev_slots *slots)
{
	slots->nr_groups--;
	nvmev_slots_sink(slots, 0, slots->heap[slots->nr_groups]);
}

/* Takes up to @count slots of those that are free first */
static u32 nvmev_slots_take(struct nvmev_slots *slots, u32 count)
{
	struct nvmev_slot_group *first = &slots->heap[0];

	if (count < first->count) {
		first->count -= count;
		return count;
	}
	count = first->count;
	nvmev_slots_pop(slots);
	return count;
}

/* One unit for the slot that is free first, which keeps its place or sinks */
static u64 nvmev_slots_serve_one(struct nvmev_slots *slots, u64 now_ns,
				 u64 occupancy_ns)
{
	struct nvmev_slot_group *heap = slots->heap;
	u64 start_ns = max(now_ns, heap[0].free_ns);
	struct nvmev_slot_group group = {
		.free_ns = min(start_ns + occupancy_ns, NVMEV_TIME_MAX),
		.count = 1,
	};

	if (heap[0].count > 1) {
		heap[0].count--;
		nvmev_slots_push(slots, group);
	} else {
		nvmev_slots_sink(slots, 0, group);
	}
	return start_ns;
}

/**
 * nvmev_slots_init() - make slots that are all free
 * @slots: what to initialise
 * @nr_slots: how many, at least 1
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int nvmev_slots_init(struct nvmev_slots *slots, u32 nr_slots)
{
	slots->heap = kvmalloc_array(nr_slots, sizeof(*slots->heap),
				     GFP_KERNEL);
	if (!slots->heap)
		return -ENOMEM;
	slots->heap[0] = (struct nvmev_slot_group){ .count = nr_slots };
	slots->nr_groups = 1;
	slots->nr_slots = nr_slots;
	return 0;
}

/**
 * nvmev_slots_destroy() - free what nvmev_slots_init() made
 * @slots: the slots; may be destroyed twice
 */
void nvmev_slots_destroy(struct nvmev_slots *slots)
{
	kvfree(slots->heap);
	slots->heap = NULL;
}

/**
 * nvmev_slots_serve() - give each unit of a command the slot free first
 * @slots: the slots
 * @now_ns: the time at which the command was seen
 * @units: its length in 4 KiB units, at least 1
 * @occupancy_ns: how long a unit keeps its slot
 *
 * Context: any; the caller serialises.
 * Return: when the last unit starts, in ns. Units start in order, so the
 * command is done one latency after that.
 */
u64 nvmev_slots_serve(struct nvmev_slots *slots, u64 now_ns, u32 units,
		      u64 occupancy_ns)
{
	/* Slots that this command has taken, all for the same start */
	struct nvmev_slot_group taken = { .count = 0 };
	u64 start_ns = now_ns;

	if (likely(units == 1))
		return nvmev_slots_serve_one(slots, now_ns, occupancy_ns);

	while (units) {
		const struct nvmev_slot_group *first = &slots->heap[0];
		u32 count;

		if (taken.count && (!slots->nr_groups ||
				    taken.free_ns <= first->free_ns)) {
			/*
			 * The command's own slots come free first: without
			 * occupancy they do so at once, for every unit left.
			 */
			if (!occupancy_ns)
				break;
			/* Every slot is among them: go on by whole rounds */
			if (!slots->nr_groups) {
				u32 rounds = (units - 1) / slots->nr_slots;

				taken.free_ns = min(taken.free_ns +
						    rounds * occupancy_ns,
						    NVMEV_TIME_MAX);
				units -= rounds * slots->nr_slots;
			}
			nvmev_slots_push(slots, taken);
			taken.count = 0;
		}

		start_ns = max(now_ns, first->free_ns);
		if (taken.count &&
		    taken.free_ns != start_ns + occupancy_ns) {
			/* Later than the first, which stays where it is */
			nvmev_slots_push(slots, taken);
			taken.count = 0;
		}
		count = nvmev_slots_take(slots, units);
		taken.free_ns = min(start_ns + occupancy_ns, NVMEV_TIME_MAX);
		taken.count += count;
		units -= count;
	}
	if (taken.count)
		nvmev_slots_push(slots, taken);
	return start_ns;
}

/*
 * Takes @count slots away, those that are free first, and leaves the groups in
 * no order. Each look is at the part in which the last to go is, half of that
 * before on average: taking one after the other from the heap, a million of
 * them would take a fifth of a second.
 */
static void nvmev_slots_drop(struct nvmev_slots *slots, u32 count)
{
	struct nvmev_slot_group *groups = slots->heap;
	u32 first = 0, end = slots->nr_groups;

	slots->nr_slots -= count;
	while (count) {
		u64 pivot_ns = groups[first + (end - first) / 2].free_ns;
		u32 low = first, i = first, high = end, earlier = 0;

		/* Earlier than the pivot, as early, later */
		while (i < high) {
			if (groups[i].free_ns > pivot_ns) {
				high--;
				swap(groups[i], groups[high]);
				continue;
			}
			if (groups[i].free_ns < pivot_ns) {
				earlier += groups[i].count;
				swap(groups[i], groups[low]);
				low++;
			}
			i++;
		}
		if (earlier > count) {
			end = low;
			continue;
		}
		count -= earlier;
		first = low;
		while (count && first < high) {
			u32 taken = min(count, groups[first].count);

			count -= taken;
			groups[first].count -= taken;
			if (!groups[first].count)
				first++;
		}
	}
	slots->nr_groups -= first;
	slots->heap += first;
}

/**
 * nvmev_slots_resize() - change the number of slots
 * @slots: the slots
 * @heap: room for @nr_slots groups; the old one is the caller's afterwards
 * @nr_slots: how many there shall be, at least 1
 *
 * New slots are free. Those that are free first are the ones to go: a unit
 * then starts only when fewer than @nr_slots of the earlier ones are served.
 *
 * Context: any; the caller serialises.
 */
void nvmev_slots_resize(struct nvmev_slots *slots,
			struct nvmev_slot_group *heap, u32 nr_slots)
{
	bool fewer = slots->nr_slots > nr_slots;
	u32 i;

	if (fewer)
		nvmev_slots_drop(slots, slots->nr_slots - nr_slots);
	memcpy(heap, slots->heap, slots->nr_groups * sizeof(*heap));
	slots->heap = heap;

	if (fewer) {
		for (i = slots->nr_groups / 2; i-- > 0; )
			nvmev_slots_sink(slots, i, heap[i]);
	} else if (slots->nr_slots < nr_slots) {
		nvmev_slots_push(slots, (struct nvmev_slot_group){
				 .count = nr_slots - slots->nr_slots });
		slots->nr_slots = nr_slots;
	}
}

/* O: the latency, or with a target what N slots need to give just that */
static u64 nvmev_timing_occupancy(const struct nvmev_timing_config *config,
				  enum nvmev_kind kind)
{
	u64 bw = config->bw[kind];

	if (!bw)
		return config->latency_ns[kind];
	/* 2^20 slots * 2^12 bytes * 2^30 ns still fit */
	return div64_u64((u64)config->slots * NVMEV_UNIT * NSEC_PER_SEC +
			 bw / 2, bw);
}

static void nvmev_timing_update(struct nvmev_timing *timing)
{
	int kind;

	lockdep_assert_held(&timing->lock);
	for (kind = 0; kind < NVMEV_TIMED_KINDS; kind++)
		timing->occupancy_ns[kind] =
			nvmev_timing_occupancy(&timing->config, kind);
}

/**
 * nvmev_timing_derive_slots() - the number of slots when none was given
 * @config: latencies and targets
 *
 * Return: the largest of ceil(bw * latency / 4 KiB) over the kinds with a
 * target, at least 1; NVMEV_DEFAULT_SLOTS without any target. The caller
 * checks it against NVMEV_MAX_SLOTS.
 */
u64 nvmev_timing_derive_slots(const struct nvmev_timing_config *config)
{
	u64 slots = 0;
	int kind;

	for (kind = 0; kind < NVMEV_TIMED_KINDS; kind++) {
		/* In units per second; the largest product is below 2^64 */
		u64 rate = config->bw[kind] >> NVMEV_UNIT_SHIFT;

		if (!rate)
			continue;
		slots = max3(slots, 1ULL,
			     DIV64_U64_ROUND_UP(rate * config->latency_ns[kind],
						NSEC_PER_SEC));
	}
	return slots ?: NVMEV_DEFAULT_SLOTS;
}

/**
 * nvmev_timing_init() - make the model
 * @timing: what to initialise
 * @config: checked settings
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int nvmev_timing_init(struct nvmev_timing *timing,
		      const struct nvmev_timing_config *config)
{
	int err = nvmev_slots_init(&timing->slots, config->slots);

	if (err)
		return err;
	spin_lock_init(&timing->lock);
	spin_lock(&timing->lock);
	timing->config = *config;
	nvmev_timing_update(timing);
	spin_unlock(&timing->lock);
	return 0;
}

/**
 * nvmev_timing_destroy() - free what nvmev_timing_init() made
 * @timing: the model; may be destroyed twice
 */
void nvmev_timing_destroy(struct nvmev_timing *timing)
{
	nvmev_slots_destroy(&timing->slots);
}

/**
 * nvmev_timing_due() - when a command is to be completed
 * @timing: the model
 * @kind: NVMEV_READ or NVMEV_WRITE
 * @now_ns: when its submission was seen
 * @units: its length in 4 KiB units, at least 1
 * @wait_ns: set to its queueing delay, the time beyond the latency
 *
 * Context: a worker, with @timing->lock held.
 * Return: the due time in ns.
 */
u64 nvmev_timing_due(struct nvmev_timing *timing, enum nvmev_kind kind,
		     u64 now_ns, u32 units, u64 *wait_ns)
{
	u64 start_ns;

	lockdep_assert_held(&timing->lock);
	start_ns = nvmev_slots_serve(&timing->slots, now_ns, units,
				     timing->occupancy_ns[kind]);
	*wait_ns = start_ns - now_ns;
	return start_ns + timing->config.latency_ns[kind];
}

/**
 * nvmev_timing_room() - slots that are free
 * @timing: the model
 * @now_ns: the time
 *
 * Context: a worker.
 * Return: at least how many, 0 for none.
 */
u32 nvmev_timing_room(struct nvmev_timing *timing, u64 now_ns)
{
	const struct nvmev_slot_group *first;
	u32 room;

	spin_lock(&timing->lock);
	first = &timing->slots.heap[0];
	room = first->free_ns <= now_ns ? first->count : 0;
	spin_unlock(&timing->lock);
	return room;
}

/**
 * nvmev_timing_get() - the settings in force
 * @timing: the model
 * @config: where to put them
 *
 * Context: any thread.
 */
void nvmev_timing_get(struct nvmev_timing *timing,
		      struct nvmev_timing_config *config)
{
	spin_lock(&timing->lock);
	*config = timing->config;
	spin_unlock(&timing->lock);
}

/**
 * nvmev_timing_set_latency() - change L of one kind
 * @timing: the model
 * @kind: NVMEV_READ or NVMEV_WRITE
 * @latency_ns: up to NVMEV_MAX_LATENCY_NS
 *
 * Commands seen after the return obey it.
 *
 * Context: any thread.
 */
void nvmev_timing_set_latency(struct nvmev_timing *timing,
			      enum nvmev_kind kind, u64 latency_ns)
{
	spin_lock(&timing->lock);
	timing->config.latency_ns[kind] = latency_ns;
	nvmev_timing_update(timing);
	spin_unlock(&timing->lock);
}

/**
 * nvmev_timing_set_bw() - set or clear the bandwidth target of one kind
 * @timing: the model
 * @kind: NVMEV_READ or NVMEV_WRITE
 * @bw: bytes per second, 0 for what the slots give
 *
 * Context: any thread.
 */
void nvmev_timing_set_bw(struct nvmev_timing *timing, enum nvmev_kind kind,
			 u64 bw)
{
	spin_lock(&timing->lock);
	timing->config.bw[kind] = bw;
	nvmev_timing_update(timing);
	spin_unlock(&timing->lock);
}

/**
 * nvmev_timing_set_slots() - set N and clear both bandwidth targets
 * @timing: the model
 * @nr_slots: 1 to NVMEV_MAX_SLOTS
 *
 * Context: any thread, may sleep.
 * Return: 0 or -ENOMEM, and nothing has changed then.
 */
int nvmev_timing_set_slots(struct nvmev_timing *timing, u32 nr_slots)
{
	struct nvmev_slot_group *heap, *old;

	heap = kvmalloc_array(nr_slots, sizeof(*heap), GFP_KERNEL);
	if (!heap)
		return -ENOMEM;

	spin_lock(&timing->lock);
	old = timing->slots.heap;
	nvmev_slots_resize(&timing->slots, heap, nr_slots);
	timing->config.slots = nr_slots;
	memset(timing->config.bw, 0, sizeof(timing->config.bw));
	nvmev_timing_update(timing);
	spin_unlock(&timing->lock);

	kvfree(old);
	return 0;
}

/**
 * nvmev_timing_reset() - all slots are free again
 * @timing: the model
 *
 * For when no command is in flight any more: what was dropped keeps no slot.
 *
 * Context: the controller thread.
 */
void nvmev_timing_reset(struct nvmev_timing *timing)
{
	struct nvmev_slots *slots = &timing->slots;

	spin_lock(&timing->lock);
	slots->heap[0] = (struct nvmev_slot_group){ .count = slots->nr_slots };
	slots->nr_groups = 1;
	spin_unlock(&timing->lock);
}
