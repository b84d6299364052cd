// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile host: what it writes to registers, doorbells, queues and lists,
 * and when, is taken from a string of bytes. Whatever they are, the device
 * must neither touch memory that is not the host's nor hang, and after a reset
 * it must work as on the first day.
 *
 *	fuzz SEED SECONDS	random strings; prints how many, or the seed
 *				of the one that failed
 *	fuzz FILE...		the strings in these files
 *
 * Built with -DFUZZER it is a target of libFuzzer instead.
 */
#include <time.h>

#include "harness.h"

#define MAX_INPUT	4096
#define QUEUE_AT(qid)	((u64)(qid) * SZ_64K)
#define QUEUE_SIZE	16
#define DATA_AT		(2 * SZ_1M)

/* Where the next entry of each queue goes, by a host that keeps count */
static u8 tails[4];

struct input {
	const u8 *data;
	size_t len, pos;
};

static u64 take(struct input *in, unsigned int bytes)
{
	u64 value = 0;

	while (bytes--)
		value = value << 8 |
			(in->pos < in->len ? in->data[in->pos++] : 0);
	return value;
}

/* Mostly near what is valid */
static u64 take_addr(struct input *in)
{
	switch (take(in, 1) % 8) {
	case 0:
		return take(in, 8);
	case 1:
		return DATA_AT + take(in, 3) % SZ_4M;
	case 2:
		return USPACE_HOST_BYTES - take(in, 2);
	default:
		return DATA_AT + (take(in, 1) << 12);
	}
}

static u32 take_small(struct input *in)
{
	u8 how = take(in, 1);

	return how < 16 ? take(in, 4) : how % 24;
}

static void fuzz_register(struct nvmev_dev *dev, struct input *in)
{
	static const u8 regs[] = {
		NVME_REG_CAP, NVME_REG_VS, NVME_REG_INTMS, NVME_REG_INTMC,
		NVME_REG_CC, NVME_REG_CSTS, NVME_REG_NSSR, NVME_REG_AQA,
		NVME_REG_ASQ, NVME_REG_ASQ + 4, NVME_REG_ACQ, NVME_REG_ACQ + 4,
	};
	u8 reg = regs[take(in, 1) % ARRAY_SIZE(regs)];
	u32 value = take(in, 4);

	if (reg == NVME_REG_CC && value % 4)
		value = 6 << 16 | 4 << 20 | (value & (NVME_CC_EN |
						      NVME_CC_SHN));
	if (reg == NVME_REG_NSSR && value % 2)
		value = NVME_NSSR_RESET;
	uspace_reg_write(dev, reg, value);
}

static void fuzz_enable(struct nvmev_dev *dev, struct input *in)
{
	uspace_reg_write(dev, NVME_REG_CC, 0);
	uspace_run(dev, 2);
	uspace_reg_write(dev, NVME_REG_AQA, (QUEUE_SIZE - 1) << 16 |
			 (QUEUE_SIZE - 1));
	uspace_reg_write(dev, NVME_REG_ASQ, QUEUE_AT(0));
	uspace_reg_write(dev, NVME_REG_ASQ + 4, 0);
	uspace_reg_write(dev, NVME_REG_ACQ, QUEUE_AT(0) + 4096);
	uspace_reg_write(dev, NVME_REG_ACQ + 4, 0);
	uspace_reg_write(dev, NVME_REG_CC, NVME_CC_EN | 6 << 16 | 4 << 20);
	uspace_run(dev, 2);
	memset(tails, 0, sizeof(tails));
}

/* Queues 1 and 2, as a host makes them */
static void fuzz_queues(struct nvmev_dev *dev)
{
	struct uspace_queue admin = {
		.size = QUEUE_SIZE, .sq_addr = QUEUE_AT(0),
		.cq_addr = QUEUE_AT(0) + 4096, .phase = 1,
	};
	struct uspace_queue queue;

	check(!uspace_create_queue(dev, &admin, &queue, 1, QUEUE_SIZE,
				   QUEUE_AT(1)));
	check(!uspace_create_queue(dev, &admin, &queue, 2, QUEUE_SIZE,
				   QUEUE_AT(2)));
	tails[0] = admin.tail;
}

static void fuzz_entry(struct nvmev_dev *dev, struct input *in)
{
	static const u8 admin[] = {
		NVME_ADMIN_DELETE_SQ, NVME_ADMIN_CREATE_SQ,
		NVME_ADMIN_GET_LOG_PAGE, NVME_ADMIN_DELETE_CQ,
		NVME_ADMIN_CREATE_CQ, NVME_ADMIN_IDENTIFY, NVME_ADMIN_ABORT,
		NVME_ADMIN_SET_FEATURES, NVME_ADMIN_GET_FEATURES,
		NVME_ADMIN_ASYNC_EVENT, NVME_ADMIN_NS_MGMT,
		NVME_ADMIN_NS_ATTACH, NVME_ADMIN_FORMAT_NVM,
		NVME_ADMIN_SELF_TEST, NVME_ADMIN_SANITIZE,
		NVME_ADMIN_DBBUF_CONFIG,
	};
	u8 qid = take(in, 1) % 4, how = take(in, 1);
	u8 slot = how < 64 ? how % QUEUE_SIZE : tails[qid];
	struct nvme_command *cmd = (void *)(uspace_host + QUEUE_AT(qid) +
					    slot * sizeof(*cmd));
	u8 opcode = take(in, 1);

	memset(cmd, 0, sizeof(*cmd));
	if (opcode < 16)
		cmd->opcode = take(in, 1);
	else if (!qid)
		cmd->opcode = admin[opcode % ARRAY_SIZE(admin)];
	else
		cmd->opcode = opcode % 14 == 13 ? NVME_NVM_COPY : opcode % 14;
	cmd->flags = take(in, 1) < 16 ? take(in, 1) : 0;
	cmd->cid = cpu_to_le16(take(in, 1));
	cmd->nsid = cpu_to_le32(take(in, 1) < 16 ? take(in, 4) : 1);
	cmd->prp1 = cpu_to_le64(take_addr(in));
	cmd->prp2 = cpu_to_le64(take_addr(in));
	cmd->cdw10 = cpu_to_le32(take_small(in));
	cmd->cdw11 = cpu_to_le32(take_small(in));
	cmd->cdw12 = cpu_to_le32(take_small(in));
	cmd->cdw13 = cpu_to_le32(take(in, 1) < 16 ? take(in, 4) : 0);

	/* Queues that could be */
	if (!qid && (cmd->opcode == NVME_ADMIN_CREATE_CQ ||
		     cmd->opcode == NVME_ADMIN_CREATE_SQ) &&
	    take(in, 1) % 8) {
		u8 id = 1 + take(in, 1) % 3;
		bool cq = cmd->opcode == NVME_ADMIN_CREATE_CQ;

		cmd->prp1 = cpu_to_le64(QUEUE_AT(id) + (cq ? 4096 : 0));
		cmd->cdw10 = cpu_to_le32((QUEUE_SIZE - 1) << 16 | id);
		cmd->cdw11 = cpu_to_le32((cq ? 0 : id) << 16 | 3);
	}

	if (how < 64)
		return;
	tails[qid] = (tails[qid] + 1) % QUEUE_SIZE;
	if (how >= 96) {
		WRITE_ONCE(*nvmev_doorbell(dev, qid, false),
			   cpu_to_le32(tails[qid]));
		/* It takes as many completions as there can be */
		WRITE_ONCE(*nvmev_doorbell(dev, qid, true),
			   cpu_to_le32((tails[qid] + 1) % QUEUE_SIZE));
	}
	if (how >= 128)
		uspace_run(dev, 2);
}

static void fuzz_memory(struct input *in)
{
	u64 addr = take(in, 1) % 2 ? take_addr(in) : take(in, 3);
	u64 value = take(in, 1) % 2 ? take_addr(in) : take(in, 8);

	if (addr < USPACE_HOST_BYTES - sizeof(value))
		memcpy(uspace_host + addr, &value, sizeof(value));
}

static void fuzz_knob(struct nvmev_dev *dev, struct input *in)
{
	switch (take(in, 1) % 5) {
	case 0:
		nvmev_timing_set_latency(&dev->timing, take(in, 1) % 2,
					 take(in, 4));
		break;
	case 1:
		nvmev_timing_set_bw(&dev->timing, take(in, 1) % 2,
				    take(in, 2) << 20);
		break;
	case 2:
		nvmev_timing_set_slots(&dev->timing, 1 + take(in, 2));
		break;
	case 3:
		uspace_fail_alloc = 1 + take(in, 1) % 16;
		break;
	default:
		nvmev_stat_reset(dev);
		break;
	}
}

/* A page of the host's that is gone at its next access: of a queue, or of data */
static u8 *gone_page(struct input *in)
{
	u8 page = take(in, 1);

	if (page < 8)
		return NULL;
	if (page < 64)
		return uspace_host + QUEUE_AT(page % 3) + (page % 2 ? 4096 : 0);
	return uspace_host + DATA_AT + (page % 32 << 12);
}

static void set_gone(u8 *page)
{
#ifdef USPACE_EVENTS
	uspace_gone = page;
#endif
}

/* A tail that cannot be stops its queue: that of a host that counts does not */
static void fuzz_tail(struct nvmev_dev *dev, struct input *in, bool any)
{
	u8 qid = take(in, 1) % 4;
	u32 tail = take_small(in);

	if (!any) {
		tails[qid] = (tails[qid] + tail % 4) % QUEUE_SIZE;
		tail = tails[qid];
	}
	WRITE_ONCE(*nvmev_doorbell(dev, qid, false), cpu_to_le32(tail));
}

static void fuzz_one(struct nvmev_dev *dev, struct input *in)
{
	u8 action = take(in, 1);

	if (action >= 250) {
		set_gone(gone_page(in));
		return;
	}
	switch (action % 16) {
	case 0:
		fuzz_register(dev, in);
		break;
	case 1:
		fuzz_enable(dev, in);
		break;
	case 2:
	case 3:
	case 4:
		fuzz_tail(dev, in, action % 16 == 2);
		break;
	case 5:
		WRITE_ONCE(*nvmev_doorbell(dev, take_small(in) % 256, true),
			   cpu_to_le32(take_small(in)));
		break;
	case 6:
		fuzz_memory(in);
		break;
	case 7:
		fuzz_knob(dev, in);
		break;
	case 8:
		uspace_now_ns += take(in, 4);
		break;
	case 9:
	case 10:
		uspace_run(dev, 1 + take(in, 1) % 4);
		break;
	default:
		fuzz_entry(dev, in);
		break;
	}
}

/* After a reset the device does what every device does */
static void check_alive(struct nvmev_dev *dev)
{
	struct nvme_command cmd = { .opcode = NVME_NVM_WRITE };
	struct uspace_queue admin, queue;
	unsigned int i;

	uspace_fail_alloc = 0;
	set_gone(NULL);
	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, 0);
	nvmev_timing_set_latency(&dev->timing, NVMEV_WRITE, 0);
	check(!nvmev_timing_set_slots(&dev->timing, 1));
	/* An erasure goes on through resets */
	check(uspace_disable(dev));
	for (i = 0; i < 10000 && (dev->admin.job.running ||
				  dev->admin.sanitize.running); i++)
		uspace_run(dev, 1);
	check(!dev->admin.job.running);
	check(!dev->admin.sanitize.running);
	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, 16, QUEUE_AT(1)));
	for (i = 0; i < NVMEV_MAX_NS; i++)
		if (dev->ns[i].attached && dev->ns[i].nr_lba)
			break;
	if (i == NVMEV_MAX_NS)
		return;
	cmd.nsid = cpu_to_le32(i + 1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	uspace_now_ns += 1ULL << 40;
	check(!uspace_sync(dev, &queue, &cmd, NULL));
	for (i = 1; i < 3; i++)
		check(!dev->workers[i - 1].stat[NVMEV_READ].in_flight);
}

static void fuzz(const u8 *data, size_t len)
{
	struct nvmev_config config = {
		.start = 0x100000000,
		.size = 3 << 20,
		.lba_shift = 9,
		.queues = 4,
		.queue_depth = 64,
		.dbbuf = true,
		.nr_workers = 2,
		.interrupts = NVMEV_INTERRUPTS_MSIX,
		.timing = { .latency_ns = { 1000, 1000 }, .slots = 4 },
	};
	struct input in = { .data = data, .len = len };
	struct nvmev_dev *dev;

	uspace_quiet = true;
	uspace_now_ns = 1;
	dev = uspace_device_create(&config);
	fuzz_enable(dev, &in);
	if (take(&in, 1) % 4)
		fuzz_queues(dev);
	while (in.pos < in.len)
		fuzz_one(dev, &in);
	check_alive(dev);
	uspace_device_destroy(dev);
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	fuzz(data, len);
	return 0;
}
#else
/* Present when a sanitizer is */
extern void __sanitizer_set_death_callback(void (*callback)(void))
	__attribute__((weak));

static u64 current_seed;

static void print_seed(void)
{
	if (current_seed)
		fprintf(stderr, "failed: fuzz %llu 0\n", current_seed);
}

static void fuzz_file(const char *name)
{
	static u8 data[MAX_INPUT];
	FILE *file = fopen(name, "rb");

	check(file);
	fuzz(data, fread(data, 1, sizeof(data), file));
	fclose(file);
}

int main(int argc, char **argv)
{
	static u8 data[MAX_INPUT];
	u64 seed, state, n = 0;
	time_t end;
	int i;

	if (argc != 3 || strspn(argv[1], "0123456789") != strlen(argv[1])) {
		for (i = 1; i < argc; i++)
			fuzz_file(argv[i]);
		return 0;
	}
	seed = strtoull(argv[1], NULL, 0) ?: 1;
	end = time(NULL) + strtoul(argv[2], NULL, 0);
	atexit(print_seed);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(print_seed);
	do {
		current_seed = seed + n;
		state = current_seed;
		for (i = 0; i < MAX_INPUT; i++)
			data[i] = uspace_random(&state) >> 32;
		fuzz(data, uspace_random(&state) % MAX_INPUT);
		n++;
	} while (time(NULL) < end);
	current_seed = 0;
	printf("%llu hosts from seed %llu on\n", n, seed);
	return 0;
}
#endif
