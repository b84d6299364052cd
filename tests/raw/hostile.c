// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile host at full load.
 *
 *	hostile SEED SECONDS
 *
 * Some threads do verified I/O, each on a queue pair of its own. Others, at the
 * same time and on other CPUs, write whatever comes to the doorbells of other
 * queues and of none, to registers, to the MSI-X table, to lists and queue
 * entries that the device is just using, and create and delete those queues.
 * The machine must stay up, no byte of the verified queues may be wrong, and
 * they must go on.
 */
#include <pthread.h>
#include <time.h>

#include "garbage.h"
#include "raw.h"

#define NR_VICTIMS	2
#define VICTIM_SIZE	64
#define VICTIM_BATCH	32
#define VICTIM_LBAS	4096
/* Queues 3 to 6 are the hostile ones */
#define HOSTILE_QID	(NR_VICTIMS + 1)
#define NR_HOSTILE	4
#define HOSTILE_SIZE	64
#define PATIENCE_NS	(60 * RAW_S)

#define MSIX_TABLE	0x8000
#define MSIX_PBA	0xc000
#define MSIX_VECTORS	32

enum attack {
	DOORBELLS,
	REGISTERS,
	MEMORY,
	QUEUES,
	NR_ATTACKS,
};

struct victim {
	pthread_t thread;
	struct raw_cq cq;
	struct raw_sq sq;
	u8 *data;
	u64 first, rnd, commands, bytes, longest_ns;
};

struct attacker {
	pthread_t thread;
	enum attack attack;
	u64 rnd, done;
};

static bool stop;
static u32 lba_bytes;
/* What the controller was enabled with */
static u32 cc;

static u64 below(u64 *rnd, u64 n)
{
	return raw_random(rnd) % n;
}

/* raw_pause() is the host's own way to wait; natively threads only yield */
static void wait_ns(u64 ns)
{
	u64 end = raw_now_ns() + ns;

	while (raw_now_ns() < end && !__atomic_load_n(&stop, __ATOMIC_RELAXED))
		raw_pause();
}

/* --- those who must not notice ------------------------------------------------- */

static void fill(u8 *buf, u64 word)
{
	u32 i;

	for (i = 0; i < RAW_PAGE; i += 8) {
		memcpy(buf + i, &word, 8);
		word = raw_mix(word);
	}
}

static bool is_filled(const u8 *buf, u64 word)
{
	u64 found;
	u32 i;

	for (i = 0; i < RAW_PAGE; i += 8) {
		memcpy(&found, buf + i, 8);
		if (found != word)
			return false;
		word = raw_mix(word);
	}
	return true;
}

static void victim_batch(struct victim *victim, u8 opcode)
{
	struct raw_sqe sqe = { .opcode = opcode };
	u32 per_page = RAW_PAGE / lba_bytes, i;
	u64 since = raw_now_ns(), ns;
	struct raw_cqe cqe;

	for (i = 0; i < VICTIM_BATCH; i++) {
		raw_lba(&sqe, 1, victim->first + i * per_page, per_page);
		sqe.prp1 = raw_addr(victim->data + i * RAW_PAGE);
		raw_put(&victim->sq, &sqe);
	}
	raw_ring(&victim->sq);
	for (i = 0; i < VICTIM_BATCH; i++) {
		while (!raw_get(&victim->cq, &cqe)) {
			if (raw_now_ns() - since > PATIENCE_NS)
				raw_die("queue %u does not go on",
					victim->sq.qid);
			raw_pause();
		}
		raw_ring_cq(&victim->cq);
		if (raw_sc(&cqe) || cqe.sqid != victim->sq.qid)
			raw_die("queue %u: status %#x of queue %u",
				victim->sq.qid, raw_sc(&cqe), cqe.sqid);
	}
	ns = raw_now_ns() - since;
	if (ns > victim->longest_ns)
		victim->longest_ns = ns;
	victim->commands += VICTIM_BATCH;
	victim->bytes += VICTIM_BATCH * RAW_PAGE;
}

static void *victim_thread(void *arg)
{
	struct victim *victim = arg;
	u64 token;
	u32 i;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		token = raw_random(&victim->rnd);
		for (i = 0; i < VICTIM_BATCH; i++)
			fill(victim->data + i * RAW_PAGE, token + i);
		victim_batch(victim, N_WRITE);
		memset(victim->data, 0, VICTIM_BATCH * RAW_PAGE);
		victim_batch(victim, N_READ);
		for (i = 0; i < VICTIM_BATCH; i++)
			if (!is_filled(victim->data + i * RAW_PAGE, token + i))
				raw_die("queue %u reads other data than it wrote",
					victim->sq.qid);
	}
	return NULL;
}

static void victim_init(struct victim *victim, u16 qid, u64 seed)
{
	*victim = (struct victim){
		.rnd = raw_mix(seed + qid) | 1,
		.first = (u64)(qid - 1) * VICTIM_LBAS,
		.data = raw_alloc(VICTIM_BATCH * RAW_PAGE),
	};
	raw_cq_init(&victim->cq, qid, VICTIM_SIZE);
	raw_sq_init(&victim->sq, qid, VICTIM_SIZE, &victim->cq);
	raw_need(!raw_create_cq(&victim->cq));
	raw_need(!raw_create_sq(&victim->sq));
}

/* --- the attackers ---------------------------------------------------------------- */

static void attack_doorbells(u64 *rnd)
{
	u32 qid = below(rnd, 4) ? HOSTILE_QID + below(rnd, NR_HOSTILE) :
				  HOSTILE_QID + below(rnd, 250);
	bool cq = below(rnd, 2);
	static u32 tail;
	u32 value;

	/*
	 * A tail that cannot be stops its queue until attack_queues() makes it
	 * anew: mostly a few entries more, as of a host that counts.
	 */
	tail = (tail + below(rnd, 3)) % HOSTILE_SIZE;
	if (!below(rnd, 4096))
		value = garbage_number(rnd);
	else
		value = cq ? below(rnd, HOSTILE_SIZE) : tail;
	raw_write32(raw_doorbell(qid, cq), value);
}

/*
 * Reserved bits, of which nothing may come; from two threads at once, and into
 * the very bytes that the device puts back. Registers are written whole, says the
 * specification: a host may do otherwise.
 */
static void attack_cc(u64 *rnd)
{
	u32 value = cc | (garbage_number(rnd) & CC_RESERVED);
	u32 at;

	switch (below(rnd, 4)) {
	case 0:
		at = below(rnd, 4);
		raw_write8(R_CC + at, value >> 8 * at);
		break;
	case 1:
		at = 2 * below(rnd, 2);
		raw_write16(R_CC + at, value >> 8 * at);
		break;
	default:
		raw_write32(R_CC, value);
		break;
	}
}

/* Not NSSR, nor what CC means: a reset would stop everybody */
static void attack_registers(u64 *rnd)
{
	static const u16 regs[] = {
		R_CAP, R_CAP + 4, R_VS, R_INTMS, R_INTMC, 0x18, R_CSTS, R_AQA,
		R_ASQ, R_ASQ + 4, R_ACQ, R_ACQ + 4, R_CMBLOC, R_CMBSZ, 0x44,
		0x50, 0xe00, 0xe04, 0xffc,
	};
	u16 reg = regs[below(rnd, ARRAY_SIZE(regs))];
	u32 value = garbage_number(rnd);

	switch (below(rnd, 7)) {
	case 0:
		raw_write32(MSIX_TABLE + 4 * below(rnd, 4 * MSIX_VECTORS),
			    value);
		break;
	case 1:
		raw_write32(MSIX_PBA + 4 * below(rnd, 16), value);
		break;
	case 2:
		raw_write64(MSIX_TABLE + 8 * below(rnd, 2 * MSIX_VECTORS),
			    raw_random(rnd));
		break;
	case 3:
		attack_cc(rnd);
		break;
	case 4:
		raw_write8(reg + below(rnd, 4), value);
		break;
	case 5:
		raw_write16(reg + 2 * below(rnd, 2), value);
		break;
	default:
		raw_write32(reg, value);
		break;
	}
	if (!below(rnd, 1000))
		raw_set_msix(below(rnd, 2), below(rnd, 2));
	/* While completions come that want the line */
	if (!below(rnd, 100))
		raw_set_intx(below(rnd, 2));
}

static void attack_memory(u64 *rnd)
{
	switch (below(rnd, 16)) {
	case 0:
		garbage_fused(rnd);
		break;
	case 1:
	case 2:
		garbage_ranged(rnd);
		break;
	case 3:
		attack_cc(rnd);
		break;
	case 4:
	case 5:
	case 6:
		garbage_entry(rnd);
		break;
	case 7:
	case 8:
	case 9:
		garbage_range(rnd);
		break;
	default:
		garbage_list_entry(rnd);
		break;
	}
}

/* The one thread that uses the admin queue */
static void attack_queues(u64 *rnd)
{
	u16 qid = HOSTILE_QID + below(rnd, NR_HOSTILE);
	static const u8 others[] = {
		A_GET_LOG, A_IDENTIFY, A_GET_FEATURES, A_SET_FEATURES,
		A_NS_MGMT, A_NS_ATTACH, A_FORMAT,
	};
	struct raw_sqe sqe = { };
	u32 entries = HOSTILE_SIZE - 1;

	switch (below(rnd, 8)) {
	case 0:
		sqe.opcode = A_DELETE_SQ;
		sqe.cdw10 = qid;
		break;
	case 1:
		sqe.opcode = A_DELETE_CQ;
		sqe.cdw10 = qid;
		break;
	case 2:
		sqe.opcode = A_ABORT;
		sqe.cdw10 = garbage_number(rnd) << 16 | qid;
		break;
	case 3:
	case 4:
		/* Any admin command that asks, or sets what is no data */
		garbage_sqe(rnd, &sqe);
		sqe.opcode = others[below(rnd, ARRAY_SIZE(others))];
		break;
	case 5:
		sqe.opcode = A_CREATE_CQ;
		sqe.prp1 = garbage_cq_addr(rnd);
		sqe.cdw10 = entries << 16 | qid;
		/* With its interrupt */
		sqe.cdw11 = (u32)qid << 16 | 3;
		break;
	default:
		sqe.opcode = A_CREATE_SQ;
		sqe.prp1 = garbage_sq_addr(rnd);
		sqe.cdw10 = entries << 16 | qid;
		/* Of any priority below that of the others */
		sqe.cdw11 = (u32)qid << 16 | (1 + below(rnd, 3)) << 1 | 1;
		break;
	}
	if (raw_sync(&raw_asq, &sqe, NULL) < 0)
		raw_die("admin opcode %#x has no completion", sqe.opcode);
}

static void *attacker_thread(void *arg)
{
	static void (*const attacks[NR_ATTACKS])(u64 *rnd) = {
		[DOORBELLS] = attack_doorbells,
		[REGISTERS] = attack_registers,
		[MEMORY] = attack_memory,
		[QUEUES] = attack_queues,
	};
	struct attacker *attacker = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		attacks[attacker->attack](&attacker->rnd);
		/* Bursts, and between them the others have their turn */
		if (!(++attacker->done % 256))
			raw_pause();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct raw_options options = {
		.mem_bytes = 8U << 20, .lba_shift = 9,
		.storage_bytes = 8U << 20, .threads = true,
	};
	struct victim victims[NR_VICTIMS];
	struct attacker attackers[NR_ATTACKS];
	u64 seed, seconds, rnd, ran, commands = 0, bytes = 0, longest = 0;
	u8 *page;
	int i;

	if (argc != 3) {
		fprintf(stderr, "usage: %s SEED SECONDS\n", argv[0]);
		return 2;
	}
	seed = strtoull(argv[1], NULL, 0);
	seconds = strtoull(argv[2], NULL, 0);
	rnd = raw_mix(seed) | 1;
	raw_slack_ns = PATIENCE_NS;
	raw_open(&options);
	page = raw_alloc(RAW_PAGE);
	garbage_init(&rnd);
	/* By weight and priority, or not */
	cc = CC_NORMAL | CC_EN | (seed & 1 ? CC_AMS_WRR : 0);
	raw_need(raw_disable() &&
		 raw_enable_cc(cc, RAW_ADMIN_SIZE, RAW_ADMIN_SIZE));
	raw_need(!raw_identify(0, 1, page));
	lba_bytes = 1U << page[128 + 4 * (page[26] & 0xf) + 2];
	garbage_namespaces(NR_VICTIMS * VICTIM_LBAS, lba_bytes == RAW_PAGE,
			   page);
	for (i = 0; i < NR_VICTIMS; i++)
		victim_init(&victims[i], 1 + i, seed);

	ran = raw_now_ns();
	for (i = 0; i < NR_VICTIMS; i++)
		raw_need(!pthread_create(&victims[i].thread, NULL,
					 victim_thread, &victims[i]));
	for (i = 0; i < NR_ATTACKS; i++) {
		attackers[i] = (struct attacker){
			.attack = i, .rnd = raw_mix(seed + 100 + i) | 1,
		};
		raw_need(!pthread_create(&attackers[i].thread, NULL,
					 attacker_thread, &attackers[i]));
	}
	wait_ns(seconds * RAW_S);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < NR_ATTACKS; i++)
		pthread_join(attackers[i].thread, NULL);
	for (i = 0; i < NR_VICTIMS; i++) {
		pthread_join(victims[i].thread, NULL);
		raw_need(victims[i].commands);
		commands += victims[i].commands;
		bytes += victims[i].bytes;
		if (victims[i].longest_ns > longest)
			longest = victims[i].longest_ns;
	}
	ran = raw_now_ns() - ran;
	raw_set_msix(false, false);
	raw_set_intx(true);
	raw_need(raw_disable() && raw_enable());
	raw_need(!raw_identify(1, 0, page));
	printf("seed %llu, %s: %llu commands of %u queues verified in %llu s, %llu bytes, the slowest batch of %u took %llu ms; meanwhile %llu doorbells, %llu registers and MSI-X words, %llu list and queue entries and CC written, %llu admin commands\n",
	       seed, cc & CC_AMS_WRR ? "weighted round robin" : "round robin",
	       commands, NR_VICTIMS, ran / RAW_S, bytes, VICTIM_BATCH,
	       longest / RAW_MS, attackers[DOORBELLS].done,
	       attackers[REGISTERS].done, attackers[MEMORY].done,
	       attackers[QUEUES].done);
	raw_close();
	return 0;
}
