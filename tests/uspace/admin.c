// SPDX-License-Identifier: GPL-2.0
/*
 * The admin command set on a virtual clock: what each command answers, what
 * its data structure holds, and that nothing else changes.
 *
 *	admin SEED
 */
#include "harness.h"

#define DEPTH		64
#define RINGS_AT	SZ_64K
#define DATA_AT		SZ_1M
#define OTHER_AT	(2 * SZ_1M)

static u64 seed = 1;
static struct nvmev_dev *dev;
static struct uspace_queue admin, queue;

static void device_create(u64 latency_ns, u32 slots)
{
	struct nvmev_config config = {
		.start = 0x100000000,
		.size = 65 << 20,
		.lba_shift = 9,
		.queues = 8,
		.queue_depth = 1024,
		.nr_workers = 2,
		.interrupts = NVMEV_INTERRUPTS_MSIX,
		.timing = {
			.latency_ns = { latency_ns, latency_ns },
			.slots = slots,
		},
	};

	dev = uspace_device_create(&config);
	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
}

static void device_reset(void)
{
	check(uspace_disable(dev));
	check(uspace_enable(dev, &admin));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
}

static void *data(void)
{
	return uspace_host + DATA_AT;
}

/* One admin command with data of at most a page; its status with all bits */
static int command(u8 opcode, u32 nsid, u32 cdw10, u32 cdw11, u32 *result)
{
	struct nvme_command cmd = { .opcode = opcode };

	cmd.nsid = cpu_to_le32(nsid);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	cmd.cdw10 = cpu_to_le32(cdw10);
	cmd.cdw11 = cpu_to_le32(cdw11);
	return uspace_sync(dev, &admin, &cmd, result);
}

static int get_log(u8 lid, u32 bytes, u32 flags)
{
	memset(data(), 0xa5, bytes + 4);
	return command(NVME_ADMIN_GET_LOG_PAGE, NVME_NSID_ALL,
		       (bytes / 4 - 1) << 16 | flags | lid, 0, NULL);
}

static int identify(u8 cns, u32 nsid)
{
	memset(data(), 0xa5, 4096);
	return command(NVME_ADMIN_IDENTIFY, nsid, cns, 0, NULL);
}

static int get_feature(u8 fid, u32 nsid, u32 select, u32 cdw11, u32 *result)
{
	return command(NVME_ADMIN_GET_FEATURES, nsid, select << 8 | fid, cdw11,
		       result);
}

static int set_feature(u8 fid, u32 nsid, u32 cdw11)
{
	return command(NVME_ADMIN_SET_FEATURES, nsid, fid, cdw11, NULL);
}

static int io(u8 opcode, u64 lba, u32 blocks)
{
	struct nvme_command cmd = { .opcode = opcode };

	cmd.nsid = cpu_to_le32(1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	cmd.prp2 = cpu_to_le64(DATA_AT + 4096);
	cmd.cdw10 = cpu_to_le32(lba);
	cmd.cdw11 = cpu_to_le32(lba >> 32);
	cmd.cdw12 = cpu_to_le32(blocks - 1);
	return uspace_sync(dev, &queue, &cmd, NULL);
}

/* A status without the More bit, and with Do Not Retry where it belongs */
#define check_status(status, wanted) do {				\
	int _got = (status), _wanted = (wanted);			\
									\
	if ((_got & ~NVME_SC_MORE) != _wanted) {			\
		fprintf(stderr, "%s:%d: status %#x, not %#x: %s\n",	\
			__FILE__, __LINE__, _got, _wanted, #status);	\
		exit(1);						\
	}								\
} while (0)

#define check_dnr(status, wanted) \
	check_status(status, (wanted) | NVME_SC_DNR)

/* A completion of the admin queue that nobody waits for, false for none */
static bool reap_event(u32 *result, int *status, u16 *cid)
{
	struct nvme_completion cqe;

	uspace_run(dev, 4);
	if (!uspace_reap(dev, &admin, &cqe))
		return false;
	*result = le32_to_cpu(cqe.result);
	*status = le16_to_cpu(cqe.status) >> 1;
	*cid = le16_to_cpu(cqe.cid);
	return true;
}

static u16 request_event(void)
{
	struct nvme_command cmd = { .opcode = NVME_ADMIN_ASYNC_EVENT };
	u16 cid = uspace_submit(dev, &admin, &cmd);

	uspace_run(dev, 4);
	return cid;
}

static void expect_event(u16 cid, u32 wanted)
{
	u32 result;
	int status;
	u16 got;

	check(reap_event(&result, &status, &got));
	check(!status);
	check(got == cid);
	if (result != wanted) {
		fprintf(stderr, "event %#x, not %#x\n", result, wanted);
		exit(1);
	}
}

static void expect_no_event(void)
{
	u32 result;
	int status;
	u16 cid;

	check(!reap_event(&result, &status, &cid));
}

/* --- commands that are not there ------------------------------------------ */

static void test_absent(void)
{
	/*
	 * Firmware Commit and Download, Directives, Virtualization Management,
	 * NVMe-MI, Keep Alive, Doorbell Buffer Config, Security, Get LBA Status
	 */
	static const u8 absent[] = {
		0x03, 0x07, 0x0b, 0x0e, 0x10, 0x11, 0x18, 0x19, 0x1a, 0x1c,
		0x1d, 0x1e, 0x7c, 0x7f, 0x81, 0x82, 0x86, 0xc0, 0xff,
	};
	const struct nvme_id_ctrl *id = data();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(absent); i++)
		check_dnr(command(absent[i], 0, 0, 0, NULL),
			  NVME_SC_INVALID_OPCODE);
	check(!identify(NVME_ID_CNS_CTRL, 0));
	/* Security, Firmware, Directives, MI, Virtualization, LBA Status */
	check(!(le16_to_cpu(id->oacs) & ~(NVME_ID_OACS_FORMAT |
					  NVME_ID_OACS_NS_MGMT |
					  NVME_ID_OACS_SELF_TEST)));
	check(!id->kas);
}

/* --- error log, 5.14.1.1 -------------------------------------------------- */

static void expect_error(int status, u16 sqid, u16 location, u64 cs)
{
	struct nvme_error_log_entry *log = data();

	check(!!(status & NVME_SC_MORE) ==
	      (location != NVMEV_NO_LOCATION || cs));
	check(!get_log(NVME_LOG_ERROR, sizeof(*log), 0));
	check(le16_to_cpu(log->status) >> 1 == status);
	check(le16_to_cpu(log->sqid) == sqid);
	check(le64_to_cpu(log->cs) == cs);
	if (le16_to_cpu(log->param_error_location) != location) {
		fprintf(stderr, "status %#x: error at %u, not %u\n", status,
			le16_to_cpu(log->param_error_location), location);
		exit(1);
	}
}

static void test_error_log(void)
{
	struct nvme_error_log_entry *log = data();
	u32 result;
	u64 count;

	expect_error(command(0x7f, 0, 0, 0, NULL), 0, 0, 0);
	count = le64_to_cpu(log->error_count);
	expect_error(io(0x7f, 0, 1), 1, 0, 0);
	check(le64_to_cpu(log->error_count) == count + 1);
	expect_error(io(NVME_NVM_READ, dev->ns[0].nr_lba, 1), 1,
		     offsetof(struct nvme_command, cdw10), 0);
	check(le64_to_cpu(log->lba) == dev->ns[0].nr_lba);
	check(le32_to_cpu(log->nsid) == 1);
	expect_error(get_log(0x77, 16, 0), 0,
		     offsetof(struct nvme_command, cdw10), 0);
	expect_error(get_feature(0x77, 0, 0, 0, &result), 0,
		     offsetof(struct nvme_command, cdw10), 0);
	expect_error(set_feature(NVME_FEAT_POWER_MGMT, 0, 1), 0,
		     offsetof(struct nvme_command, cdw11), 0);
	/* Nothing more to tell: no More bit */
	expect_error(set_feature(NVME_FEAT_NUM_QUEUES, 0, 0), 0,
		     NVMEV_NO_LOCATION, 0);
}

static u64 error_lba(int status, int wanted)
{
	struct nvme_error_log_entry *log = data();

	check((status & NVME_SC_MASK) == wanted);
	check(!get_log(NVME_LOG_ERROR, sizeof(*log), 0));
	return le64_to_cpu(log->lba);
}

/* Ranges of one block each; the data of the command */
static void ranges(u64 first, u64 second)
{
	struct nvme_dsm_range *dsm = data();
	u64 lbas[] = { first, second };
	unsigned int i;

	memset(dsm, 0, 4096);
	for (i = 0; i < ARRAY_SIZE(lbas); i++) {
		dsm[i].nlb = cpu_to_le32(1);
		dsm[i].slba = cpu_to_le64(lbas[i]);
	}
}

/* LBA: the first that has the error, and none where no block has it */
static void test_error_lba(void)
{
	const u64 nr_lba = dev->ns[0].nr_lba;
	struct nvme_copy_range *copy = data();
	struct nvme_command cmd = { .opcode = NVME_NVM_COMPARE };
	unsigned int i;

	check(error_lba(io(NVME_NVM_READ, nr_lba - 2, 4),
			NVME_SC_LBA_RANGE) == nr_lba);
	check(error_lba(io(NVME_NVM_READ, nr_lba + 5, 1),
			NVME_SC_LBA_RANGE) == nr_lba + 5);
	check(!io(NVME_NVM_WRITE_UNCOR, 21, 1));
	check(!io(NVME_NVM_WRITE_UNCOR, 19, 1));
	check(!io(NVME_NVM_WRITE_UNCOR, 23, 1));
	check(error_lba(io(NVME_NVM_READ, 16, 8), NVME_SC_READ_ERROR) == 19);
	check(error_lba(io(NVME_NVM_VERIFY, 20, 8), NVME_SC_READ_ERROR) == 21);
	check(error_lba(io(0x7f, 16, 8), NVME_SC_INVALID_OPCODE) == 0);

	/* Compare: in the page that begins with PRP2 as well */
	memset(dev->storage, 0, 64 << 9);
	for (i = 8; i < 16; i++) {
		cmd.nsid = cpu_to_le32(1);
		cmd.prp1 = cpu_to_le64(OTHER_AT + 512);
		cmd.prp2 = cpu_to_le64(OTHER_AT + 4096);
		cmd.cdw10 = cpu_to_le32(24);
		cmd.cdw12 = cpu_to_le32(7);
		memset(uspace_host + OTHER_AT, 0, 8192);
		uspace_host[OTHER_AT + 512 + (i - 8) * 512 + 511] = 1;
		check(error_lba(uspace_sync(dev, &queue, &cmd, NULL),
				NVME_SC_COMPARE_FAILED) == 24 + i - 8);
	}

	/* Ranges: the one that is wrong */
	memset(&cmd, 0, sizeof(cmd));
	cmd.opcode = NVME_NVM_DSM;
	cmd.nsid = cpu_to_le32(1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	cmd.cdw10 = cpu_to_le32(1);
	cmd.cdw11 = cpu_to_le32(NVME_DSM_AD);
	ranges(3, nr_lba + 7);
	check(error_lba(uspace_sync(dev, &queue, &cmd, NULL),
			NVME_SC_LBA_RANGE) == nr_lba + 7);
	cmd.opcode = NVME_NVM_COPY;
	cmd.cdw10 = cpu_to_le32(40);
	cmd.cdw11 = 0;
	cmd.cdw12 = cpu_to_le32(1);
	memset(copy, 0, 4096);
	copy[0].slba = cpu_to_le64(3);
	copy[0].nlb = cpu_to_le16(0);
	copy[1].slba = cpu_to_le64(16);
	copy[1].nlb = cpu_to_le16(7);
	check(error_lba(uspace_sync(dev, &queue, &cmd, NULL),
			NVME_SC_READ_ERROR) == 19);
	memset(copy, 0, 4096);
	copy[1].slba = cpu_to_le64(nr_lba - 1);
	copy[1].nlb = cpu_to_le16(3);
	check(error_lba(uspace_sync(dev, &queue, &cmd, NULL),
			NVME_SC_LBA_RANGE) == nr_lba);
	/* The format is wrong, and no block */
	memset(copy, 0, 4096);
	cmd.cdw12 = cpu_to_le32(1 | 1 << 8);
	check(!error_lba(uspace_sync(dev, &queue, &cmd, NULL),
			 NVME_SC_INVALID_FIELD));
	check(!io(NVME_NVM_WRITE, 16, 8));
}

/* --- log pages, 5.14 ------------------------------------------------------ */

static void test_logs(void)
{
	static const u8 logs[] = { 1, 2, 3, 4, 5, 6, 0x81 };
	struct nvme_command cmd = { .opcode = NVME_ADMIN_GET_LOG_PAGE };
	u8 *bytes = data();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(logs); i++) {
		check(!get_log(logs[i], 64, NVME_LOG_RAE));
		check(bytes[64] == 0xa5);
		/* They are the controller's: no single namespace has one */
		check_dnr(command(NVME_ADMIN_GET_LOG_PAGE, 1, 15 << 16 |
				  logs[i], 0, NULL), NVME_SC_INVALID_FIELD);
		check(!command(NVME_ADMIN_GET_LOG_PAGE, 0, 15 << 16 | logs[i],
			       0, NULL));
	}
	check_dnr(get_log(0, 64, 0), NVME_SC_INVALID_LOG_PAGE);

	/* Offsets: to the end, beyond it, and between two dwords */
	cmd.prp1 = cpu_to_le64(DATA_AT);
	cmd.cdw10 = cpu_to_le32(NVME_LOG_SMART);
	cmd.cdw12 = cpu_to_le32(512);
	check(!uspace_sync(dev, &admin, &cmd, NULL));
	cmd.cdw12 = cpu_to_le32(516);
	check_dnr(uspace_sync(dev, &admin, &cmd, NULL),
		  NVME_SC_INVALID_FIELD);
	cmd.cdw12 = cpu_to_le32(2);
	check_dnr(uspace_sync(dev, &admin, &cmd, NULL),
		  NVME_SC_INVALID_FIELD);
	cmd.cdw12 = 0;
	cmd.cdw13 = cpu_to_le32(1);
	check_dnr(uspace_sync(dev, &admin, &cmd, NULL),
		  NVME_SC_INVALID_FIELD);
}

static u64 smart(size_t offset)
{
	check(!get_log(NVME_LOG_SMART, 512, 0));
	return get_unaligned_le64(data() + offset);
}

#define smart_of(field)	smart(offsetof(struct nvme_smart_log, field))

static void test_smart(void)
{
	u64 errors = smart_of(num_err_log_entries);
	u64 units = smart_of(data_units_read);
	u64 reads = smart_of(host_reads);
	u64 media = smart_of(media_errors);
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct nvme_completion cqe;
	unsigned int i;
	u64 minutes, end;

	check(smart_of(power_cycles) == 1);
	check(smart_of(unsafe_shutdowns) == 0);

	/* Verify reads data, and is no read command: 2 * 512000 bytes */
	check(!io(NVME_NVM_VERIFY, 0, 2000));
	check(smart_of(data_units_read) == units + 2);
	check(smart_of(host_reads) == reads);

	/* Blocks that cannot be read are media errors; others are not */
	check(!io(NVME_NVM_WRITE_UNCOR, 5, 1));
	check_dnr(io(NVME_NVM_READ, 0, 8), NVME_SC_READ_ERROR);
	check_dnr(io(NVME_NVM_VERIFY, 0, 8), NVME_SC_READ_ERROR);
	check_dnr(io(NVME_NVM_READ, ~0ULL, 1), NVME_SC_LBA_RANGE);
	check(!io(NVME_NVM_WRITE, 5, 1));
	check(!io(NVME_NVM_READ, 0, 8));
	check(smart_of(media_errors) == media + 2);
	check(smart_of(num_err_log_entries) == errors + 3);

	/* Three minutes idle, then three minutes with a command in flight */
	minutes = smart_of(ctrl_busy_time);
	for (end = uspace_now_ns + 180 * NSEC_PER_SEC; uspace_now_ns < end;
	     uspace_now_ns += 2500000)
		uspace_run(dev, 1);
	check(smart_of(ctrl_busy_time) == minutes);
	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, NVMEV_MAX_LATENCY_NS);
	cmd.nsid = cpu_to_le32(1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	for (i = 0; i < 3; i++) {
		uspace_submit(dev, &queue, &cmd);
		while (!uspace_reap(dev, &queue, &cqe)) {
			uspace_now_ns += 2500000;
			uspace_run(dev, 1);
		}
	}
	check(smart_of(ctrl_busy_time) >= minutes + 2);
	check(smart_of(ctrl_busy_time) <= minutes + 4);
	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, 1000);
}

/* --- features, 5.9 and 5.21 ----------------------------------------------- */

static void test_features(void)
{
	static const u8 all[] = {
		NVME_FEAT_ARBITRATION, NVME_FEAT_POWER_MGMT,
		NVME_FEAT_TEMP_THRESH, NVME_FEAT_VOLATILE_WC,
		NVME_FEAT_NUM_QUEUES, NVME_FEAT_IRQ_COALESCE,
		NVME_FEAT_IRQ_CONFIG, NVME_FEAT_WRITE_ATOMIC,
		NVME_FEAT_ASYNC_EVENT, NVME_FEAT_TIMESTAMP, NVME_FEAT_HOST_ID,
	};
	const u32 recovery = NVME_FEAT_ERR_RECOVERY;
	u8 *bytes = data();
	unsigned int i;
	u32 value;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		/* Of the controller: no namespace can be given to set one */
		check(!get_feature(all[i], 0, 0, 0, NULL));
		check(!get_feature(all[i], NVME_NSID_ALL, 0, 0, NULL));
		check(!get_feature(all[i], 1, 0, 0, NULL));
		check(!get_feature(all[i], 2, 0, 0, NULL));
		check(!get_feature(all[i], NVMEV_MAX_NS, 0, 0, NULL));
		check_dnr(get_feature(all[i], NVMEV_MAX_NS + 1, 0, 0, NULL),
			  NVME_SC_INVALID_NS);
		check_dnr(set_feature(all[i], 1, 0),
			  NVME_SC_FEATURE_NOT_PER_NS);
		check_dnr(set_feature(all[i], 2, 0),
			  NVME_SC_FEATURE_NOT_PER_NS);
		check_dnr(set_feature(all[i], NVMEV_MAX_NS + 1, 0),
			  NVME_SC_INVALID_NS);
		check(!get_feature(all[i], 0, NVME_FEAT_SEL_DEFAULT, 0, NULL));
		check(!get_feature(all[i], 0, NVME_FEAT_SEL_SAVED, 0, NULL));
		check(!get_feature(all[i], 0, NVME_FEAT_SEL_SUPPORTED, 0,
				   &value));
		check(value == NVME_FEAT_CAP_CHANGEABLE);
		check_dnr(get_feature(all[i], 0, 4, 0, NULL),
			  NVME_SC_INVALID_FIELD);
		check_dnr(command(NVME_ADMIN_SET_FEATURES, 0, NVME_FEAT_SV |
				  all[i], 0, NULL),
			  NVME_SC_FEATURE_NOT_SAVEABLE);
	}

	/* Error Recovery is a namespace's */
	check_dnr(get_feature(recovery, 0, 0, 0, NULL), NVME_SC_INVALID_NS);
	check_dnr(get_feature(recovery, NVME_NSID_ALL, 0, 0, NULL),
		  NVME_SC_INVALID_NS);
	check_dnr(set_feature(recovery, 0, 5), NVME_SC_INVALID_NS);
	check(!set_feature(recovery, 1, 5));
	check(!get_feature(recovery, 1, 0, 0, &value) && value == 5);
	check(!set_feature(recovery, NVME_NSID_ALL, 7));
	check(!get_feature(recovery, 1, 0, 0, &value) && value == 7);
	check(!get_feature(recovery, 1, NVME_FEAT_SEL_DEFAULT, 0, &value));
	check(!value);
	check(!get_feature(recovery, 1, NVME_FEAT_SEL_SUPPORTED, 0, &value));
	check(value == (NVME_FEAT_CAP_CHANGEABLE | NVME_FEAT_CAP_PER_NS));
	/* DULBE, which Identify Namespace does not offer */
	check_dnr(set_feature(recovery, 1, 1 << 16), NVME_SC_INVALID_FIELD);

	/* What is set is read, and the default stays what it is */
	check(!set_feature(NVME_FEAT_ARBITRATION, 0, 0x01020303));
	check(!get_feature(NVME_FEAT_ARBITRATION, 0, 0, 0, &value));
	check(value == 0x01020303);
	check(!get_feature(NVME_FEAT_ARBITRATION, 0, 1, 0, &value));
	check(value == 5);

	/* Temperature: all sensors can be set, and cannot be read */
	check(!set_feature(NVME_FEAT_TEMP_THRESH, 0, 0xf << 16 | 350));
	check(!get_feature(NVME_FEAT_TEMP_THRESH, 0, 0, 0, &value));
	check(value == 350);
	check_dnr(get_feature(NVME_FEAT_TEMP_THRESH, 0, 0, 0xf << 16, NULL),
		  NVME_SC_INVALID_FIELD);
	check_dnr(get_feature(NVME_FEAT_TEMP_THRESH, 0, 0, 1 << 16, NULL),
		  NVME_SC_INVALID_FIELD);
	check_dnr(set_feature(NVME_FEAT_TEMP_THRESH, 0, 2 << 20 | 1),
		  NVME_SC_INVALID_FIELD);

	/* Interrupt vectors: of a queue or the admin queue's, no other */
	check(!set_feature(NVME_FEAT_IRQ_CONFIG, 0, 1 << 16 | 1));
	check(!get_feature(NVME_FEAT_IRQ_CONFIG, 0, 0, 1, &value));
	check(value == (1 << 16 | 1));
	check(!get_feature(NVME_FEAT_IRQ_CONFIG, 0, 0, 8, &value));
	check(value == 8);
	check_dnr(set_feature(NVME_FEAT_IRQ_CONFIG, 0, 1 << 16 | 8),
		  NVME_SC_INVALID_FIELD);
	check_dnr(get_feature(NVME_FEAT_IRQ_CONFIG, 0, 0, 9, &value),
		  NVME_SC_INVALID_FIELD);
	check_dnr(set_feature(NVME_FEAT_IRQ_CONFIG, 0, 9),
		  NVME_SC_INVALID_FIELD);
	check(!set_feature(NVME_FEAT_IRQ_CONFIG, 0, 0));

	/* Number of Queues: before any queue, also one that is gone */
	check(!command(NVME_ADMIN_DELETE_SQ, 0, 1, 0, NULL));
	check(!command(NVME_ADMIN_DELETE_CQ, 0, 1, 0, NULL));
	check_dnr(set_feature(NVME_FEAT_NUM_QUEUES, 0, 3 << 16 | 3),
		  NVME_SC_CMD_SEQ_ERROR);
	check(uspace_disable(dev));
	check(uspace_enable(dev, &admin));
	check_dnr(set_feature(NVME_FEAT_NUM_QUEUES, 0, 0xffff),
		  NVME_SC_INVALID_FIELD);
	check_dnr(set_feature(NVME_FEAT_NUM_QUEUES, 0, 0xffff0000),
		  NVME_SC_INVALID_FIELD);
	check(!command(NVME_ADMIN_SET_FEATURES, 0, NVME_FEAT_NUM_QUEUES,
		       3 << 16 | 3, &value));
	check(value == (7 << 16 | 7));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));

	/* The data structures, of their length and no longer */
	memset(bytes, 0x11, 32);
	check(!set_feature(NVME_FEAT_HOST_ID, 0, 1));
	memset(bytes, 0xa5, 32);
	check(!get_feature(NVME_FEAT_HOST_ID, 0, 0, 0, NULL));
	check(bytes[7] == 0x11 && bytes[8] == 0xa5);
	check(!get_feature(NVME_FEAT_HOST_ID, 0, 0, 1, NULL));
	check(bytes[15] == 0x11 && bytes[16] == 0xa5);
	check(!get_feature(NVME_FEAT_HOST_ID, 0, NVME_FEAT_SEL_DEFAULT, 1,
			   NULL));
	check(bytes[0] == 0 && bytes[15] == 0 && bytes[16] == 0xa5);
	memset(bytes, 0xa5, 32);
	check(!get_feature(NVME_FEAT_TIMESTAMP, 0, NVME_FEAT_SEL_DEFAULT, 0,
			   NULL));
	check(!get_unaligned_le64(bytes) && bytes[8] == 0xa5);

	/* And after a reset all is as at first */
	device_reset();
	check(!get_feature(recovery, 1, 0, 0, &value) && !value);
	check(!get_feature(NVME_FEAT_ARBITRATION, 0, 0, 0, &value));
	check(value == 5);
}

/* --- asynchronous events, 5.2 --------------------------------------------- */

#define EVENT(type, info, log)	((type) | (info) << 8 | (u32)(log) << 16)

static void bad_doorbell(u16 qid, u32 value)
{
	WRITE_ONCE(*nvmev_doorbell(dev, qid, false), cpu_to_le32(value));
	uspace_now_ns += 3 * NSEC_PER_MSEC;
	uspace_run(dev, 2);
}

static void bad_head(u16 qid, u32 value)
{
	WRITE_ONCE(*nvmev_doorbell(dev, qid, true), cpu_to_le32(value));
	/* What is found twice in a row counts */
	uspace_now_ns += 3 * NSEC_PER_MSEC;
	uspace_run(dev, 1);
	uspace_now_ns += 3 * NSEC_PER_MSEC;
	uspace_run(dev, 1);
}

/* 4.1: events, and a submission queue of which no more is consumed */
static void test_doorbell_values(void)
{
	const u32 db_reg = EVENT(0, 0, NVME_LOG_ERROR);
	const u32 db_value = EVENT(0, 1, NVME_LOG_ERROR);
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct nvme_completion cqe;
	unsigned int i;
	u32 head;
	u16 cid;

	cmd.nsid = cpu_to_le32(1);
	cmd.prp1 = cpu_to_le64(DATA_AT);

	/* Heads: outside, beyond what was posted, also of the admin queue */
	device_reset();
	for (i = 0; i < 3; i++)
		check(!io(NVME_NVM_READ, 0, 1));
	for (i = 0; i < 2; i++) {
		struct uspace_queue *which = i ? &queue : &admin;
		const u32 values[] = { which->size, U32_MAX, which->size - 1 };
		unsigned int v;

		for (v = 0; v < ARRAY_SIZE(values); v++) {
			check(!get_log(NVME_LOG_ERROR, 64, 0));
			cid = request_event();
			head = which->head;
			bad_head(which->qid, values[v]);
			/* For the admin queue it has to be right to see it */
			WRITE_ONCE(*nvmev_doorbell(dev, which->qid, true),
				   cpu_to_le32(head));
			expect_event(cid, db_value);
		}
		check(!io(NVME_NVM_READ, 0, 1));
	}
	/* Once for a value that stays, and not for one that is right */
	check(!get_log(NVME_LOG_ERROR, 64, 0));
	cid = request_event();
	bad_head(1, 999);
	expect_event(cid, db_value);
	check(!get_log(NVME_LOG_ERROR, 64, 0));
	cid = request_event();
	for (i = 0; i < 10; i++)
		bad_head(1, 999);
	expect_no_event();
	for (i = 0; i < 3 * DEPTH; i++) {
		check(!io(NVME_NVM_READ, 0, 1));
		bad_head(1, queue.head);
	}
	expect_no_event();

	/* Seen by the worker just before a reset: of that nothing is left */
	WRITE_ONCE(*nvmev_doorbell(dev, 1, false), cpu_to_le32(DEPTH));
	for (i = 0; i < dev->config.nr_workers; i++)
		nvmev_worker_poll(&dev->workers[i]);
	device_reset();
	cid = request_event();
	expect_no_event();

	/* A tail outside of the queue, then good ones */
	bad_doorbell(1, DEPTH);
	expect_event(cid, db_value);
	check(!get_log(NVME_LOG_ERROR, 64, 0));
	cid = request_event();
	for (i = 0; i < 5; i++) {
		uspace_submit(dev, &queue, &cmd);
		uspace_now_ns += NSEC_PER_MSEC;
		uspace_run(dev, 4);
		check(!uspace_reap(dev, &queue, &cqe));
	}
	expect_no_event();
	check(!command(NVME_ADMIN_DELETE_SQ, 0, 1, 0, NULL));
	check(!command(NVME_ADMIN_DELETE_CQ, 0, 1, 0, NULL));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	check(!io(NVME_NVM_READ, 0, 1));

	/* One entry too many: those that were fetched before complete */
	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, NSEC_PER_SEC);
	for (i = 0; i < DEPTH; i++) {
		uspace_submit(dev, &queue, &cmd);
		uspace_run(dev, 2);
	}
	for (i = 0; i < DEPTH - 1; i++)
		uspace_submit(dev, &queue, &cmd);
	uspace_run(dev, 2);
	expect_no_event();
	uspace_submit(dev, &queue, &cmd);
	uspace_run(dev, 2);
	expect_event(cid, db_value);
	for (i = 0; i < 2 * DEPTH; i++) {
		uspace_now_ns += 100 * NSEC_PER_MSEC;
		uspace_run(dev, 2);
		if (i < DEPTH)
			continue;
		check(uspace_reap(dev, &queue, &cqe));
	}
	uspace_run(dev, 4);
	check(!uspace_reap(dev, &queue, &cqe));
	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, 1000);

	/* Doorbells of queues that no controller can have, in time */
	device_reset();
	cid = request_event();
	WRITE_ONCE(*nvmev_doorbell(dev, 3000, false), cpu_to_le32(1));
	for (i = 0; i < 150; i++) {
		uspace_now_ns += 3 * NSEC_PER_MSEC;
		uspace_run(dev, 1);
	}
	expect_event(cid, db_reg);
	check(!*nvmev_doorbell(dev, 3000, false));
}

static void test_events(void)
{
	const u32 db_reg = EVENT(0, 0, NVME_LOG_ERROR);
	const u32 db_value = EVENT(0, 1, NVME_LOG_ERROR);
	const u32 warm = EVENT(1, 1, NVME_LOG_SMART);
	struct nvme_error_log_entry *log = data();
	u16 first, second, cids[NVMEV_AERL + 1];
	struct nvme_command cmd = { .opcode = NVME_ADMIN_ASYNC_EVENT };
	unsigned int i;
	u32 result;
	int status;
	u16 cid;

	/* AERL + 1 of them; the oldest is answered first */
	device_reset();
	for (i = 0; i <= NVMEV_AERL; i++)
		cids[i] = request_event();
	check_dnr(uspace_sync(dev, &admin, &cmd, NULL), NVME_SC_ASYNC_LIMIT);
	expect_no_event();
	bad_doorbell(5, 1);
	expect_event(cids[0], db_reg);
	/* It is in the log, of no command */
	check(!get_log(NVME_LOG_ERROR, 64, NVME_LOG_RAE));
	check(log->sqid == cpu_to_le16(0xffff));
	check(log->cid == cpu_to_le16(0xffff));
	/* Masked: no other before the log was read, and not with RAE */
	bad_doorbell(5, 1);
	expect_no_event();
	check(!get_log(NVME_LOG_ERROR, 64, 0));
	expect_no_event();
	bad_doorbell(5, 1);
	expect_event(cids[1], db_reg);
	/* Another type is not masked */
	check(!set_feature(NVME_FEAT_ASYNC_EVENT, 0, 2));
	expect_no_event();
	check(!set_feature(NVME_FEAT_TEMP_THRESH, 0, 300));
	expect_event(cids[2], warm);
	check(!set_feature(NVME_FEAT_TEMP_THRESH, 0, 301));
	expect_no_event();
	check(!get_log(NVME_LOG_SMART, 512, 0));
	check(*(u8 *)data() == NVME_SMART_CRIT_TEMPERATURE);
	check(!set_feature(NVME_FEAT_TEMP_THRESH, 0, 302));
	expect_event(cids[3], warm);
	/* Not when Asynchronous Event Configuration does not ask for it */
	check(!get_log(NVME_LOG_SMART, 512, 0));
	check(!set_feature(NVME_FEAT_ASYNC_EVENT, 0, 0));
	check(!set_feature(NVME_FEAT_TEMP_THRESH, 0, 300));
	request_event();
	expect_no_event();

	/* What the host has read in the log before it asks is no event, 5.2 */
	device_reset();
	bad_doorbell(5, 1);
	check(!get_log(NVME_LOG_ERROR, 64, 0));
	request_event();
	expect_no_event();
	device_reset();
	bad_doorbell(5, 1);
	check(!get_log(NVME_LOG_ERROR, 64, NVME_LOG_RAE));
	expect_event(request_event(), db_reg);

	/* Two of one type wait for a request: each is reported in its turn */
	device_reset();
	bad_doorbell(1, 0xffff);
	bad_doorbell(5, 1);
	first = request_event();
	expect_event(first, db_reg);
	second = request_event();
	expect_no_event();
	check(!get_log(NVME_LOG_ERROR, 64, 0));
	expect_event(second, db_value);

	/* Abort of a request that is held: its completion, then Abort's own */
	device_reset();
	first = request_event();
	second = request_event();
	memset(&cmd, 0, sizeof(cmd));
	cmd.opcode = NVME_ADMIN_ABORT;
	cmd.cdw10 = cpu_to_le32((u32)second << 16);
	cid = uspace_submit(dev, &admin, &cmd);
	check(reap_event(&result, &status, &first) && first == second);
	check_status(status, NVME_SC_ABORT_REQ);
	check(reap_event(&result, &status, &first) && first == cid);
	check(!status && !(result & 1));
	/* Once more, and it is not there */
	check(!uspace_sync(dev, &admin, &cmd, &result) && (result & 1));
	cmd.cdw10 = cpu_to_le32(7);
	check_dnr(uspace_sync(dev, &admin, &cmd, NULL),
		  NVME_SC_INVALID_FIELD);
	device_reset();
}

/* --- namespaces, 5.19, 5.20 and 5.23 -------------------------------------- */

static int ns_create(u64 nsze, u64 ncap, u32 *nsid)
{
	struct nvme_id_ns *id = data();

	memset(id, 0, sizeof(*id));
	id->nsze = cpu_to_le64(nsze);
	id->ncap = cpu_to_le64(ncap);
	return command(NVME_ADMIN_NS_MGMT, 0, 0, 0, nsid);
}

static int ns_attach(u32 nsid, u32 sel)
{
	__le16 *list = data();

	list[0] = cpu_to_le16(1);
	list[1] = 0;
	return command(NVME_ADMIN_NS_ATTACH, nsid, sel, 0, NULL);
}

/* A format that leaves no block: nothing happens, also to the others */
static void test_format_too_small(void)
{
	u32 nsid;

	check(!command(NVME_ADMIN_NS_MGMT, 1, 1, 0, NULL));
	check(!ns_create(4096, 4096, &nsid) && nsid == 1);
	check(!ns_attach(1, 0));
	check(!ns_create(7, 7, &nsid) && nsid == 2);
	check(!ns_attach(2, 0));
	memset(dev->storage, 0x5a, dev->storage_bytes);
	check_dnr(command(NVME_ADMIN_FORMAT_NVM, 2, 1, 0, NULL),
		  NVME_SC_INVALID_FORMAT);
	check_dnr(command(NVME_ADMIN_FORMAT_NVM, NVME_NSID_ALL, 1, 0, NULL),
		  NVME_SC_INVALID_FORMAT);
	check(*(u8 *)dev->storage == 0x5a);
	check(!io(NVME_NVM_READ, 0, 1));
	check(!command(NVME_ADMIN_FORMAT_NVM, 1, 1, 0, NULL));
	check(!command(NVME_ADMIN_FORMAT_NVM, 2, 0, 0, NULL));
	check(!command(NVME_ADMIN_NS_MGMT, NVME_NSID_ALL, 1, 0, NULL));
	check(!ns_create(dev->storage_bytes >> 9, dev->storage_bytes >> 9,
			 &nsid) && nsid == 1);
	check(!ns_attach(1, 0));
}

/* What is in flight when a namespace goes ends as what comes later */
static void test_ns_goes(void)
{
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct nvme_completion cqe;

	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, NSEC_PER_SEC);
	cmd.nsid = cpu_to_le32(1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	uspace_submit(dev, &queue, &cmd);
	uspace_run(dev, 2);
	check(!ns_attach(1, 1));
	uspace_run(dev, 2);
	check(uspace_reap(dev, &queue, &cqe));
	check_dnr(le16_to_cpu(cqe.status) >> 1, NVME_SC_INVALID_FIELD);
	check_dnr(io(NVME_NVM_READ, 0, 1), NVME_SC_INVALID_FIELD);
	check(!ns_attach(1, 0));
	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, 1000);
}

/* Create I/O Completion Queue: the vectors that the function has, 5.3 */
static void test_vectors(void)
{
	static const struct {
		enum nvmev_interrupts interrupts;
		u32 vectors;
	} functions[] = {
		{ NVMEV_INTERRUPTS_INTX, 1 }, { NVMEV_INTERRUPTS_MSI, 16 },
		{ NVMEV_INTERRUPTS_MSIX, 9 },
	};
	enum nvmev_interrupts interrupts = dev->config.interrupts;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		u32 last = functions[i].vectors - 1;

		dev->config.interrupts = functions[i].interrupts;
		check(!command(NVME_ADMIN_CREATE_CQ, 0, 15 << 16 | 2,
			       last << 16 | 3, NULL));
		check(!set_feature(NVME_FEAT_IRQ_CONFIG, 0, 1 << 16 | last));
		check(!set_feature(NVME_FEAT_IRQ_CONFIG, 0, last));
		check(!command(NVME_ADMIN_DELETE_CQ, 0, 2, 0, NULL));
		check_dnr(command(NVME_ADMIN_CREATE_CQ, 0, 15 << 16 | 2,
				  (last + 1) << 16 | 3, NULL),
			  NVME_SC_INVALID_VECTOR);
	}
	dev->config.interrupts = interrupts;
}

/* Lists of controllers: of a namespace that could be, not of all, 5.15.2 */
static void test_ctrl_lists(void)
{
	const __le16 *list = data();

	check(!identify(NVME_ID_CNS_NS_CTRL_LIST, 1));
	check(le16_to_cpu(list[0]) == 1 && !list[1]);
	check(!identify(NVME_ID_CNS_NS_CTRL_LIST, 2));
	check(!list[0]);
	check_dnr(identify(NVME_ID_CNS_NS_CTRL_LIST, NVME_NSID_ALL),
		  NVME_SC_INVALID_FIELD);
	check_dnr(identify(NVME_ID_CNS_NS_CTRL_LIST, 17), NVME_SC_INVALID_NS);
	check_dnr(identify(NVME_ID_CNS_NS_ALLOCATED, NVME_NSID_ALL),
		  NVME_SC_INVALID_NS);
}

static void test_namespaces(void)
{
	const u64 all = dev->storage_bytes >> 9;
	const struct nvme_id_ns *id = data();
	struct nvme_command cmd = { .opcode = NVME_ADMIN_FORMAT_NVM };
	unsigned int last = 100;
	u32 nsid;

	/* What is wrong, and how much it would have taken */
	check_dnr(ns_create(2, 1, &nsid), NVME_SC_THIN_PROV_NOT_SUPP);
	check_dnr(ns_create(1, 2, &nsid), NVME_SC_INVALID_FIELD);
	check_dnr(ns_create(0, 0, &nsid), NVME_SC_INVALID_FIELD);
	expect_error(ns_create(7, 7, &nsid), 0, NVMEV_NO_LOCATION, 7 << 9);
	check_dnr(command(NVME_ADMIN_NS_MGMT, 2, 1, 0, NULL),
		  NVME_SC_INVALID_FIELD);
	check_dnr(command(NVME_ADMIN_NS_MGMT, 17, 1, 0, NULL),
		  NVME_SC_INVALID_NS);
	check_dnr(ns_attach(2, 0), NVME_SC_INVALID_FIELD);
	check_dnr(ns_attach(17, 0), NVME_SC_INVALID_NS);
	check_dnr(command(NVME_ADMIN_FORMAT_NVM, 2, 0, 0, NULL),
		  NVME_SC_INVALID_FIELD);
	check_dnr(command(NVME_ADMIN_FORMAT_NVM, 0, 0, 0, NULL),
		  NVME_SC_INVALID_NS);

	/* A namespace that is not attached is not formatted, alone or by all */
	check(!ns_attach(1, 1));
	memset(dev->storage, 0x5a, dev->storage_bytes);
	check_dnr(command(NVME_ADMIN_FORMAT_NVM, 1, 0, 0, NULL),
		  NVME_SC_INVALID_FIELD);
	check(!command(NVME_ADMIN_FORMAT_NVM, NVME_NSID_ALL, 0, 0, NULL));
	check(*(u8 *)dev->storage == 0x5a);
	check(!ns_attach(1, 0));

	/* Format tells how much remains */
	check(!identify(NVME_ID_CNS_NS, 1));
	check(id->fpi == 0x80);
	cmd.nsid = cpu_to_le32(1);
	uspace_submit(dev, &admin, &cmd);
	nvmev_ctrl_poll(dev);
	cmd.opcode = NVME_ADMIN_IDENTIFY;
	cmd.prp1 = cpu_to_le64(DATA_AT);
	while (dev->admin.job.nsids) {
		struct nvme_completion cqe;

		uspace_submit(dev, &admin, &cmd);
		nvmev_ctrl_poll(dev);
		check(uspace_reap(dev, &admin, &cqe));
		check(id->fpi > 0x80 && (id->fpi & 0x7f) <= last);
		last = id->fpi & 0x7f;
	}
	uspace_run(dev, 4);
	check(reap_event(&nsid, (int *)&nsid, (u16 *)&last));
	check(!identify(NVME_ID_CNS_NS, 1));
	check(id->fpi == 0x80 && le64_to_cpu(id->nsze) == all);
}

/* --- Device Self-test, 5.8 and 8.11 --------------------------------------- */

static int self_test(u32 nsid, u8 code)
{
	return command(NVME_ADMIN_SELF_TEST, nsid, code, 0, NULL);
}

static const struct nvme_self_test_log *self_test_log(void)
{
	const struct nvme_self_test_log *log = data();

	check(!get_log(NVME_LOG_SELF_TEST, sizeof(*log), 0));
	return log;
}

/* Both newest results: the status, and the code above it */
static void expect_results(u8 first, u8 second)
{
	const struct nvme_self_test_log *log = self_test_log();

	check(!log->current_op && !log->completion);
	check(log->results[0].status == first);
	check(log->results[1].status == second);
	check(log->results[19].status == NVME_SELF_TEST_UNUSED);
}

static void wait_ms(u64 ms)
{
	u64 end = uspace_now_ns + ms * NSEC_PER_MSEC;

	while (uspace_now_ns < end) {
		uspace_now_ns += NSEC_PER_MSEC;
		uspace_run(dev, 1);
	}
}

static void test_self_test(void)
{
	const struct nvme_self_test_log *log;
	unsigned int i;
	u64 start;

	expect_results(0x0f, 0x0f);
	check_dnr(self_test(0, 0), NVME_SC_INVALID_FIELD);
	check_dnr(self_test(0, 3), NVME_SC_INVALID_FIELD);
	check_dnr(self_test(0, 0xe), NVME_SC_INVALID_FIELD);
	check_dnr(self_test(2, 1), NVME_SC_INVALID_FIELD);
	check_dnr(self_test(17, 1), NVME_SC_INVALID_NS);
	/* There is nothing to abort: success, and no result */
	check(!self_test(0, 0xf));
	expect_results(0x0f, 0x0f);

	/* A short one, half way and then over; I/O does not notice */
	check(!self_test(1, 1));
	check_status(self_test(0, 1), NVME_SC_SELF_TEST_IN_PROGRESS);
	check_status(self_test(0, 2), NVME_SC_SELF_TEST_IN_PROGRESS);
	wait_ms(1000);
	log = self_test_log();
	check(log->current_op == 1);
	check(log->completion >= 50 && log->completion < 55);
	check(log->results[0].status == NVME_SELF_TEST_UNUSED);
	start = uspace_now_ns;
	check(!io(NVME_NVM_READ, 0, 8));
	check(uspace_now_ns - start < 10000);
	wait_ms(1000);
	expect_results(0x10, 0x0f);

	/* Over when it is asked for, although nobody has looked meanwhile */
	check(!self_test(0, 1));
	uspace_now_ns += 3 * NSEC_PER_SEC;
	expect_results(0x10, 0x10);
	check(!self_test(0, 1));
	uspace_now_ns += 3 * NSEC_PER_SEC;
	check(!self_test(0, 1));
	check(!self_test(0, 0xf));
	expect_results(0x11, 0x10);

	/* Aborted by the host; by a reset, which an extended one survives */
	check(!self_test(NVME_NSID_ALL, 2));
	check(!self_test(0, 0xf));
	expect_results(0x21, 0x11);
	check(!self_test(0, 1));
	device_reset();
	expect_results(0x12, 0x21);
	check(!self_test(0, 2));
	wait_ms(5000);
	device_reset();
	log = self_test_log();
	check(log->current_op == 2);
	check(log->completion >= 25 && log->completion < 30);
	wait_ms(15000);
	expect_results(0x20, 0x12);

	/* By a format, or the removal, of a namespace that is tested */
	check(!self_test(0, 2));
	check(!command(NVME_ADMIN_FORMAT_NVM, 1, 0, 0, NULL));
	check(self_test_log()->current_op == 2);
	check(!self_test(0, 0xf));
	check(!self_test(1, 2));
	check(!command(NVME_ADMIN_FORMAT_NVM, 1, 0, 0, NULL));
	expect_results(0x24, 0x21);
	check(!self_test(NVME_NSID_ALL, 2));
	check(!ns_attach(1, 1));
	expect_results(0x23, 0x24);
	check(!ns_attach(1, 0));

	/* 20 results are kept */
	for (i = 0; i < 25; i++) {
		check(!self_test(0, 1));
		check(!self_test(0, 0xf));
	}
	log = self_test_log();
	for (i = 0; i < NVME_SELF_TEST_RESULTS; i++)
		check(log->results[i].status == 0x11);
}

/* --- Sanitize, 5.24 and 8.15 ---------------------------------------------- */

static const struct nvme_sanitize_log *sanitize_log(void)
{
	const struct nvme_sanitize_log *log = data();

	check(!get_log(NVME_LOG_SANITIZE, sizeof(*log), NVME_LOG_RAE));
	return log;
}

/* Submits the command and returns while the operation has just begun */
static void sanitize_start(u32 cdw10, u32 pattern)
{
	struct nvme_command cmd = { .opcode = NVME_ADMIN_SANITIZE };
	struct nvme_completion cqe;

	cmd.cdw10 = cpu_to_le32(cdw10);
	cmd.cdw11 = cpu_to_le32(pattern);
	uspace_submit(dev, &admin, &cmd);
	nvmev_ctrl_poll(dev);
	check(uspace_reap(dev, &admin, &cqe));
	check(!(le16_to_cpu(cqe.status) >> 1));
	check(dev->admin.sanitize.running);
}

static void sanitize_wait(void)
{
	unsigned int i;

	for (i = 0; i < 1000 && dev->admin.sanitize.running; i++)
		uspace_run(dev, 1);
	check(!dev->admin.sanitize.running);
}

static void expect_storage(u32 word)
{
	const u32 *words = dev->storage;
	u64 i;

	for (i = 0; i < dev->storage_bytes / 4; i++)
		check(words[i] == word);
}

static void expect_sstat(u16 sstat)
{
	const struct nvme_sanitize_log *log = sanitize_log();

	if (le16_to_cpu(log->sstat) != sstat) {
		fprintf(stderr, "SSTAT %#x, not %#x\n",
			le16_to_cpu(log->sstat), sstat);
		exit(1);
	}
	check(le16_to_cpu(log->sprog) == NVME_SANITIZE_NO_PROGRESS);
}

static void test_sanitize_restrictions(void)
{
	static const u8 refused[] = {
		NVME_ADMIN_NS_MGMT, NVME_ADMIN_SELF_TEST,
		NVME_ADMIN_NS_ATTACH, NVME_ADMIN_FORMAT_NVM,
		NVME_ADMIN_SANITIZE,
	};
	static const u8 logs[] = { 3, 5, 6 };
	static const u8 ios[] = { 0, 1, 2, 4, 5, 8, 9, 0xc };
	struct nvme_error_log_entry *log = data();
	struct nvme_command cmd = { .opcode = NVME_NVM_FLUSH };
	u64 pos = dev->admin.sanitize.pos;
	unsigned int i;

	/* It is held where it is, so that all of this is during it */
	dev->admin.sanitize.pos = 0;
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		dev->admin.sanitize.pos = 0;
		check_status(command(refused[i], 1, 2, 0, NULL),
			     NVME_SC_SANITIZE_IN_PROGRESS);
	}
	for (i = 0; i < ARRAY_SIZE(logs); i++) {
		dev->admin.sanitize.pos = 0;
		check_status(get_log(logs[i], 64, 0),
			     NVME_SC_SANITIZE_IN_PROGRESS);
	}
	for (i = 0; i < ARRAY_SIZE(ios); i++) {
		dev->admin.sanitize.pos = 0;
		check_status(io(ios[i], 1, 1), NVME_SC_SANITIZE_IN_PROGRESS);
	}
	dev->admin.sanitize.pos = 0;
	cmd.nsid = cpu_to_le32(NVME_NSID_ALL);
	check_status(uspace_sync(dev, &queue, &cmd, NULL),
		     NVME_SC_SANITIZE_IN_PROGRESS);
	check_dnr(command(0x7f, 0, 0, 0, NULL), NVME_SC_INVALID_OPCODE);
	/* What is allowed, and blocks are not named in the error log */
	dev->admin.sanitize.pos = 0;
	check(!identify(NVME_ID_CNS_CTRL, 0));
	check(!get_feature(NVME_FEAT_ARBITRATION, 0, 0, 0, NULL));
	check(!get_log(NVME_LOG_SMART, 512, 0));
	dev->admin.sanitize.pos = 0;
	check(!get_log(NVME_LOG_ERROR, 4096, 0));
	for (i = 0; i < NVMEV_ERROR_LOG_ENTRIES; i++)
		check(!log[i].lba);
	dev->admin.sanitize.pos = pos;
}

static void test_sanitize(void)
{
	const u32 event = EVENT(6, 1, NVME_LOG_SANITIZE);
	const struct nvme_sanitize_log *log;
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct nvme_completion cqe;
	u16 cid, last = 0;
	unsigned int i;

	expect_sstat(NVME_SANITIZE_NEVER);
	for (i = 0; i < 8; i++)
		if (!i || i > 4)
			check_dnr(command(NVME_ADMIN_SANITIZE, 0, i, 0, NULL),
				  NVME_SC_INVALID_FIELD);
	/* Nothing has failed: nothing happens */
	check(!command(NVME_ADMIN_SANITIZE, 0, 1, 0, NULL));
	expect_sstat(NVME_SANITIZE_NEVER);

	/* A block erase, with a read in flight and a test running */
	check(!io(NVME_NVM_WRITE_UNCOR, 7, 1));
	memset(dev->storage, 0x5a, dev->storage_bytes);
	check(!self_test(0, 2));
	cid = request_event();
	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, NSEC_PER_SEC);
	cmd.nsid = cpu_to_le32(1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	uspace_submit(dev, &queue, &cmd);
	uspace_run(dev, 2);
	sanitize_start(NVME_SANITIZE_BLOCK_ERASE, 0);
	uspace_run(dev, 1);
	check(uspace_reap(dev, &queue, &cqe));
	check_status(le16_to_cpu(cqe.status) >> 1,
		     NVME_SC_SANITIZE_IN_PROGRESS);
	test_sanitize_restrictions();
	dev->admin.sanitize.pos = 0;
	/* A reset does not stop it */
	device_reset();
	cid = request_event();
	sanitize_wait();
	expect_event(cid, event);
	expect_storage(0);
	expect_sstat(NVME_SANITIZE_DONE | NVME_SANITIZE_ALL_ERASED);
	log = sanitize_log();
	check(le32_to_cpu(log->scdw10) == NVME_SANITIZE_BLOCK_ERASE);
	check(log->estimates[0] == cpu_to_le32(NVME_SANITIZE_NO_ESTIMATE));
	check(self_test_log()->results[0].status == 0x29);
	nvmev_timing_set_latency(&dev->timing, NVMEV_READ, 1000);
	check(!io(NVME_NVM_READ, 7, 1));

	/*
	 * The next one clears what was told of this one, and what was not told
	 * for want of a request: 8.15. It is then told itself, once.
	 */
	cid = request_event();
	sanitize_start(NVME_SANITIZE_CRYPTO_ERASE, 0);
	sanitize_wait();
	expect_event(cid, event);
	sanitize_start(NVME_SANITIZE_CRYPTO_ERASE, 0);
	sanitize_wait();
	sanitize_start(NVME_SANITIZE_CRYPTO_ERASE, 0);
	sanitize_wait();
	cid = request_event();
	expect_event(cid, event);
	cid = request_event();
	expect_no_event();
	device_reset();

	/* What is refused changes nothing; any write does */
	check_dnr(io(NVME_NVM_WRITE, ~0ULL, 1), NVME_SC_LBA_RANGE);
	check(!io(NVME_NVM_READ, 0, 1));
	expect_sstat(NVME_SANITIZE_DONE | NVME_SANITIZE_ALL_ERASED);
	check(!io(NVME_NVM_WRITE_ZEROES, 0, 1));
	expect_sstat(NVME_SANITIZE_DONE);

	/* Overwriting: the last pass writes the pattern, inverted or not */
	for (i = 1; i <= 3; i++) {
		sanitize_start(NVME_SANITIZE_NO_DEALLOC | NVME_SANITIZE_OIPBP |
			       i << 4 | NVME_SANITIZE_OVERWRITE, 0x12345678);
		if (i == 2) {
			/* The first of two is the inverted one */
			while (!dev->admin.sanitize.pass)
				nvmev_ctrl_poll(dev);
			check(*(u32 *)(dev->storage + dev->storage_bytes - 4) ==
			      0xedcba987);
		}
		sanitize_wait();
		expect_storage(0x12345678);
		expect_sstat(NVME_SANITIZE_DONE | NVME_SANITIZE_ALL_ERASED |
			     i << 3);
	}
	/* 0 passes are 16; deallocated afterwards, so that zeroes are read */
	sanitize_start(NVME_SANITIZE_OVERWRITE, 0xffffffff);
	for (i = 0; i < 1000 && dev->admin.sanitize.running; i++) {
		nvmev_ctrl_poll(dev);
		if (!dev->admin.sanitize.running)
			break;
		log = sanitize_log();
		if (!dev->admin.sanitize.running)
			break;
		check((le16_to_cpu(log->sstat) & 7) == NVME_SANITIZE_RUNNING);
		check(le16_to_cpu(log->sprog) >= last);
		last = le16_to_cpu(log->sprog);
	}
	check(last > 32768);
	expect_sstat(NVME_SANITIZE_DONE | NVME_SANITIZE_ALL_ERASED | 16 << 3);
	expect_storage(0);
	device_reset();
	expect_sstat(NVME_SANITIZE_DONE | NVME_SANITIZE_ALL_ERASED | 16 << 3);
}

/* --- Doorbell Buffer Config, 5.7 and 7.13 --------------------------------- */

#define SHADOWS_AT	(3 * SZ_1M)
#define EVENTS_AT	(3 * SZ_1M + 4096)

static int dbbuf_config(u64 shadows, u64 events)
{
	struct nvme_command cmd = { .opcode = NVME_ADMIN_DBBUF_CONFIG };

	cmd.prp1 = cpu_to_le64(shadows);
	cmd.prp2 = cpu_to_le64(events);
	return uspace_sync(dev, &admin, &cmd, NULL);
}

/* A read whose doorbells are written to one of both places alone */
static bool io_by(__le32 *doorbells, u32 *index)
{
	struct nvme_command cmd = { .opcode = NVME_NVM_READ };
	struct nvme_completion cqe;
	u32 keep = le32_to_cpu(*nvmev_doorbell(dev, 1, false));
	u32 heads = le32_to_cpu(*nvmev_doorbell(dev, 1, true));
	bool done;

	cmd.nsid = cpu_to_le32(1);
	cmd.prp1 = cpu_to_le64(DATA_AT);
	*index = queue.tail;
	uspace_submit(dev, &queue, &cmd);
	if (doorbells) {
		WRITE_ONCE(*nvmev_doorbell(dev, 1, false), cpu_to_le32(keep));
		WRITE_ONCE(doorbells[2], cpu_to_le32(queue.tail));
	}
	uspace_run(dev, 4);
	uspace_now_ns += 10000;
	uspace_run(dev, 4);
	done = uspace_reap(dev, &queue, &cqe);
	if (done && doorbells) {
		WRITE_ONCE(*nvmev_doorbell(dev, 1, true), cpu_to_le32(heads));
		WRITE_ONCE(doorbells[3], cpu_to_le32(queue.head));
	}
	return done;
}

static void test_dbbuf(void)
{
	__le32 *shadows = (void *)(uspace_host + SHADOWS_AT);
	__le32 *events = (void *)(uspace_host + EVENTS_AT);
	const struct nvme_id_ctrl *id = data();
	unsigned int i;
	u32 index;

	/* Absent, unless the parameter is set */
	check_dnr(dbbuf_config(SHADOWS_AT, EVENTS_AT), NVME_SC_INVALID_OPCODE);
	dev->config.dbbuf = true;
	check(!identify(NVME_ID_CNS_CTRL, 0));
	check(le16_to_cpu(id->oacs) & NVME_ID_OACS_DBBUF);
	check_dnr(dbbuf_config(SHADOWS_AT + 8, EVENTS_AT),
		  NVME_SC_INVALID_FIELD);
	check_dnr(dbbuf_config(SHADOWS_AT, EVENTS_AT + 8),
		  NVME_SC_INVALID_FIELD);
	check_status(dbbuf_config(USPACE_HOST_BYTES, EVENTS_AT),
		     NVME_SC_DATA_XFER_ERROR);

	/* A queue that exists goes on where it is, now by the shadows alone */
	for (i = 0; i < 5; i++)
		check(io_by(NULL, &index));
	check(!dbbuf_config(SHADOWS_AT, EVENTS_AT));
	check(le32_to_cpu(shadows[2]) == queue.tail);
	check(le32_to_cpu(shadows[3]) == queue.head);
	/* Twice around the ring, and never is a write to the BAR asked for */
	for (i = 0; i < 2 * DEPTH; i++) {
		check(io_by(shadows, &index));
		if (queue.tail > index)
			check((u16)(queue.tail - le32_to_cpu(events[2]) - 1) >=
			      (u16)(queue.tail - index));
	}
	/* One that is created later begins there at 0; the admin queue does not */
	check(!command(NVME_ADMIN_DELETE_SQ, 0, 1, 0, NULL));
	check(!command(NVME_ADMIN_DELETE_CQ, 0, 1, 0, NULL));
	check(!uspace_create_queue(dev, &admin, &queue, 1, DEPTH, RINGS_AT));
	check(!shadows[2] && !shadows[3]);
	check(io_by(shadows, &index));
	check(!shadows[0] && !shadows[1]);

	/* A reset brings the BAR's back, and leaves the host's memory alone */
	device_reset();
	memset(shadows, 0, 4096);
	for (i = 0; i < 5; i++)
		check(io_by(NULL, &index));
	for (i = 0; i < 1024; i++)
		check(!shadows[i]);
	dev->config.dbbuf = false;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s SEED\n", argv[0]);
		return 2;
	}
	seed = strtoull(argv[1], NULL, 0) ?: 1;
	device_create(1000, 32);
	test_absent();
	test_error_log();
	test_error_lba();
	test_logs();
	test_smart();
	test_features();
	test_events();
	test_doorbell_values();
	test_vectors();
	test_ctrl_lists();
	test_namespaces();
	test_format_too_small();
	test_ns_goes();
	test_self_test();
	test_sanitize();
	test_dbbuf();
	uspace_device_destroy(dev);
	puts("admin: ok");
	return 0;
}
