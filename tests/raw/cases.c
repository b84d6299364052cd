// SPDX-License-Identifier: GPL-2.0
/*
 * What NVM Express 1.4 says, case by case, on the raw queues. Each case names
 * the section it checks, and begins with a controller that was just enabled.
 *
 *	cases [WORD...]		all, or those whose name contains a word
 *
 * Of a command that has to be refused it is checked that it has the right
 * status, that the error log tells of it, and that neither the storage nor the
 * host's memory has changed.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "raw.h"

#define WINDOW_BYTES	(128U << 10)
#define PATTERN		0x5a
#define QUEUE_SIZE	64
#define SETTLE_NS	(5 * RAW_S)
#define SECOND_US	1000000

static jmp_buf case_failed;
static const char *case_name, *case_section;
static unsigned int nr_checks, nr_refused, nr_failed, nr_left_out;

static u64 storage_bytes, nr_lba, rnd = 88172645463325252ULL;
static u32 lba_bytes, max_nlb, nr_ns, max_entries, max_qid;
static u8 *storage_copy;

/* Where commands put their data in, and the pages of it */
static u8 *window, *window_pages[WINDOW_BYTES / RAW_PAGE];
static u8 *big, *page;
static u64 *lists;
static size_t case_mark;
static struct raw_cq cq;
static struct raw_sq sq;

__attribute__((format(printf, 1, 2), noreturn))
static void failed(const char *format, ...)
{
	va_list args;

	printf("FAIL %s (%s): ", case_name, case_section);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	longjmp(case_failed, 1);
}

/* Ends a case of what this device need not have, and has not */
__attribute__((noreturn))
static void not_offered(void)
{
	printf("left out %s (%s)\n", case_name, case_section);
	longjmp(case_failed, 2);
}

#define expect(cond, ...) do {		\
	nr_checks++;			\
	if (!(cond))			\
		failed(__VA_ARGS__);	\
} while (0)

#define expect_is(what, got, wanted) do {				\
	u64 _got = (got), _wanted = (wanted);				\
									\
	nr_checks++;							\
	if (_got != _wanted)						\
		failed("%s is %#llx instead of %#llx", what, _got,	\
		       _wanted);					\
} while (0)

static u64 below(u64 n)
{
	return raw_random(&rnd) % n;
}

static u16 get16(const u8 *at)
{
	return at[0] | at[1] << 8;
}

static u32 get32(const u8 *at)
{
	return get16(at) | (u32)get16(at + 2) << 16;
}

static u64 get64(const u8 *at)
{
	return get32(at) | (u64)get32(at + 4) << 32;
}

/* A register that the controller has to put right; it may take a moment */
static void expect_reg(const char *what, unsigned int reg, u32 wanted)
{
	u64 end = raw_now_ns() + SETTLE_NS;

	while (raw_read32(reg) != wanted && raw_now_ns() < end)
		raw_pause();
	expect_is(what, raw_read32(reg), wanted);
}

/* And stays so */
static void wait_ns(u64 ns)
{
	u64 end = raw_now_ns() + ns;

	while (raw_now_ns() < end)
		raw_pause();
}

static void create_io_queues(void)
{
	raw_cq_init(&cq, 1, QUEUE_SIZE);
	raw_sq_init(&sq, 1, QUEUE_SIZE, &cq);
	expect_is("Create I/O CQ", raw_create_cq(&cq), SC_OK);
	expect_is("Create I/O SQ", raw_create_sq(&sq), SC_OK);
}

static int admin(const struct raw_sqe *sqe, u32 *dw0)
{
	struct raw_cqe cqe;
	int status = raw_sync(&raw_asq, sqe, &cqe);

	expect(status >= 0, "opcode %#x has no completion", sqe->opcode);
	if (dw0)
		*dw0 = cqe.result;
	return status;
}

/* A read or write of the window from its beginning on */
static int rw(u8 opcode, u64 lba, u32 nlb)
{
	struct raw_sqe sqe = { .opcode = opcode };

	raw_lba(&sqe, 1, lba, nlb);
	raw_prps(&sqe, window_pages, 0, nlb * lba_bytes, lists);
	return raw_sync(&sq, &sqe, NULL);
}

static void big_io(u8 opcode, u64 lba, u32 nlb)
{
	struct raw_sqe sqe = { .opcode = opcode };
	u8 *pages[512];
	u32 i;

	for (i = 0; i < 512; i++)
		pages[i] = big + i * RAW_PAGE;
	raw_lba(&sqe, 1, lba, nlb);
	raw_prps(&sqe, pages, 0, nlb * lba_bytes, lists);
	expect_is("status of a large command", raw_sync(&sq, &sqe, NULL),
		  SC_OK);
}

/* All of the namespace, against the copy that was made before */
static void same_storage(bool compare)
{
	u64 lba, n;

	for (lba = 0; lba < nr_lba; lba += n) {
		u8 *copy = storage_copy + lba * lba_bytes;

		n = nr_lba - lba < max_nlb ? nr_lba - lba : max_nlb;
		big_io(N_READ, lba, n);
		if (!compare)
			memcpy(copy, big, n * lba_bytes);
		else
			expect(!memcmp(copy, big, n * lba_bytes),
			       "the storage has changed at LBA %llu and on",
			       lba);
	}
}

static void fill_storage(void)
{
	u64 lba, n, i;

	for (lba = 0; lba < nr_lba; lba += n) {
		n = nr_lba - lba < max_nlb ? nr_lba - lba : max_nlb;
		for (i = 0; i < n * lba_bytes; i += 8) {
			u64 word = raw_random(&rnd);

			memcpy(big + i, &word, 8);
		}
		big_io(N_WRITE, lba, n);
	}
	same_storage(false);
}

static void fill_window(void)
{
	memset(window, PATTERN, WINDOW_BYTES);
}

static void expect_window(const char *what)
{
	u32 i;

	nr_checks++;
	for (i = 0; i < WINDOW_BYTES; i++)
		if (window[i] != PATTERN)
			failed("%s: byte %u of the host's memory was written",
			       what, i);
}

static bool may_retry(u16 status)
{
	return status == SC_XFER || status == SC_ABORTED || status == SC_FORMATTING ||
	       status == SC_FUSED_FAIL || status == SC_SELF_TESTING;
}

/* The command ends with this status, and that is all that it does */
static void refused_in(struct raw_sq *queue, const char *what,
		       const struct raw_sqe *sqe, u16 status)
{
	struct raw_cqe cqe;
	u64 errors;
	int got;

	expect_is("Get Log Page", raw_get_log(1, page, 64), SC_OK);
	errors = get64(page);
	got = raw_sync(queue, sqe, &cqe);
	expect(got == status, "%s: status %#x instead of %#x", what, got,
	       status);
	expect(may_retry(status) || cqe.status >> 1 & SC_DNR,
	       "%s: status %#x without Do Not Retry", what, status);
	expect_is("Get Log Page", raw_get_log(1, page, 64), SC_OK);
	expect(get64(page) == errors + 1 && get16(page + 8) == queue->qid &&
	       get16(page + 10) == cqe.cid &&
	       (get16(page + 12) >> 1 & 0x7ff) == status,
	       "%s: the error log has count %llu after %llu, queue %u, command %u, status %#x",
	       what, get64(page), errors, get16(page + 8), get16(page + 10),
	       get16(page + 12) >> 1);
	nr_refused++;
}

static void refused(struct raw_sq *queue, const char *what,
		    const struct raw_sqe *sqe, u16 status)
{
	fill_window();
	refused_in(queue, what, sqe, status);
	expect_window(what);
	same_storage(true);
}

/* --- 3.1, registers ----------------------------------------------------------- */

static void reg_cap(void)
{
	u64 cap = raw_read64(R_CAP);

	expect_is("CAP in halves", raw_read32(R_CAP) |
		  (u64)raw_read32(R_CAP + 4) << 32, cap);
	expect((cap & 0xffff) >= 1, "CAP.MQES is %llu", cap & 0xffff);
	expect(cap >> 16 & 1, "CAP.CQR is 0");
	expect(cap >> 24 & 0xff, "CAP.TO is 0");
	expect_is("CAP.DSTRD", cap >> 32 & 0xf, 0);
	expect(cap >> 37 & 1, "CAP.CSS has no NVM command set");
	expect_is("CAP.MPSMIN", cap >> 48 & 0xf, 0);
	expect_is("CAP, reserved bits", cap & 0xff00f80000000000ULL & ~(3ULL << 56), 0);
	expect_is("VS", raw_read32(R_VS), 0x10400);
}

static void reg_read_only(void)
{
	static const unsigned int zero[] = {
		0x18, R_CMBLOC, R_CMBSZ, 0x40, 0x44, 0x50, 0x58, 0xe00, 0xe04,
		0xe08,
	};
	u64 cap = raw_read64(R_CAP);
	unsigned int i;

	raw_write64(R_CAP, ~cap);
	expect_reg("CAP, low, after a write", R_CAP, cap);
	expect_reg("CAP, high, after a write", R_CAP + 4, cap >> 32);
	raw_write32(R_CAP + 4, 0);
	expect_reg("CAP, high, after a write", R_CAP + 4, cap >> 32);
	raw_write32(R_VS, 0xdeadbeef);
	expect_reg("VS after a write", R_VS, 0x10400);
	raw_write32(R_CSTS, 0xffffffff & ~CSTS_NSSRO);
	expect_reg("CSTS after a write", R_CSTS, CSTS_RDY);
	raw_write32(R_CSTS, 0);
	expect_reg("CSTS after a write", R_CSTS, CSTS_RDY);
	for (i = 0; i < ARRAY_SIZE(zero); i++) {
		raw_write32(zero[i], 0xffffffff);
		expect_reg("an optional or reserved register", zero[i], 0);
	}
	/* It has not taken harm */
	expect_is("Identify", raw_identify(1, 0, page), SC_OK);
}

/*
 * One mask, of which INTMS sets and INTMC clears bits. INTMC may read as 0,
 * too: nobody would see that memory is written what it holds.
 */
static void reg_interrupt_mask(void)
{
	static const u32 steps[][3] = {
		/* Register, value, mask afterwards */
		{ R_INTMS, 0x80000005, 0x80000005 },
		{ R_INTMC, 0x00000001, 0x80000004 },
		{ R_INTMS, 0x00000010, 0x80000014 },
		{ R_INTMC, 0xffffffff, 0x00000000 },
		{ R_INTMS, 0x00000003, 0x00000003 },
		{ R_INTMC, 0x00000002, 0x00000001 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		raw_write32(steps[i][0], steps[i][1]);
		wait_ns(5 * RAW_MS);
		expect_reg("INTMS", R_INTMS, steps[i][2]);
		if (raw_read32(R_INTMC))
			expect_reg("INTMC", R_INTMC, steps[i][2]);
	}
}

/* AQA, ASQ and ACQ outlive a controller reset, the others do not */
static void reg_reset_keeps(void)
{
	u32 aqa = raw_read32(R_AQA);
	u64 asq = raw_read64(R_ASQ), acq = raw_read64(R_ACQ);

	raw_write32(R_INTMS, 0xff);
	wait_ns(5 * RAW_MS);
	expect_reg("INTMS", R_INTMS, 0xff);
	expect(raw_disable(), "not disabled");
	expect_is("AQA after a reset", raw_read32(R_AQA), aqa);
	expect_is("ASQ after a reset", raw_read64(R_ASQ), asq);
	expect_is("ACQ after a reset", raw_read64(R_ACQ), acq);
	expect_reg("INTMS after a reset", R_INTMS, 0);
	expect_reg("INTMC after a reset", R_INTMC, 0);
}

/* ASQ and ACQ in halves of either order, and as a whole */
static void reg_admin_halves(void)
{
	unsigned int how;

	for (how = 0; how < 3; how++) {
		u64 addr[2];
		unsigned int i, reg;

		expect(raw_disable(), "not disabled");
		raw_cq_init(&raw_acq, 0, 5);
		raw_sq_init(&raw_asq, 0, 3, &raw_acq);
		addr[0] = raw_addr(raw_asq.ring);
		addr[1] = raw_addr(raw_acq.ring);
		raw_write32(R_AQA, 4 << 16 | 2);
		for (i = 0; i < 2; i++) {
			reg = i ? R_ACQ : R_ASQ;
			if (how == 2) {
				raw_write64(reg, addr[i]);
				continue;
			}
			raw_write32(reg + 4 * how, addr[i] >> 32 * how);
			raw_write32(reg + 4 * !how, addr[i] >> 32 * !how);
		}
		raw_write32(R_CC, CC_NORMAL | CC_EN);
		expect(raw_wait_csts(CSTS_RDY, CSTS_RDY, raw_timeout_ns()),
		       "not ready");
		/* Often enough to go round in both */
		for (i = 0; i < 20; i++)
			expect_is("Identify", raw_identify(1, 0, page), SC_OK);
	}
}

static void reg_ready_in_time(void)
{
	u64 since, longest = 0, ns;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		since = raw_now_ns();
		expect(raw_disable(), "not disabled");
		ns = raw_now_ns() - since;
		longest = ns > longest ? ns : longest;
		expect_is("CSTS when disabled", raw_read32(R_CSTS), 0);
		since = raw_now_ns();
		expect(raw_enable(), "not ready");
		ns = raw_now_ns() - since;
		longest = ns > longest ? ns : longest;
		raw_release(case_mark);
	}
	expect(longest < raw_timeout_ns(), "%llu ns, CAP.TO says %llu",
	       longest, raw_timeout_ns());
	if (!raw_native)
		printf("figure: CSTS.RDY follows CC.EN within %llu us, CAP.TO allows %llu ms\n",
		       longest / 1000, raw_timeout_ns() / RAW_MS);
}

static void expect_cfs(const char *what)
{
	expect(raw_wait_csts(CSTS_CFS | CSTS_RDY, CSTS_CFS, raw_timeout_ns()),
	       "%s: CSTS is %#x", what, raw_read32(R_CSTS));
	expect(raw_disable(), "%s: CFS stays", what);
	expect(raw_enable(), "%s: cannot be enabled afterwards", what);
	expect_is("Identify", raw_identify(1, 0, page), SC_OK);
}

static void reg_cc_refused(void)
{
	u64 cap = raw_read64(R_CAP);
	u32 i;

	for (i = 1; i < 16; i++) {
		if (i <= (cap >> 52 & 0xf))
			continue;
		raw_disable();
		raw_write32(R_CC, CC_NORMAL | CC_EN | i << 7);
		expect_cfs("CC.MPS");
		raw_release(case_mark);
	}
	for (i = 1; i < 8; i++) {
		/* All of them as one field, 7: no I/O command set */
		if ((i == 6 && cap >> 43 & 1) || (i == 7 && cap >> 44 & 1))
			continue;
		raw_disable();
		raw_write32(R_CC, CC_NORMAL | CC_EN | i << 4);
		expect_cfs("CC.CSS");
		raw_release(case_mark);
	}
	for (i = 1; i < 8; i++) {
		/* Bits of CAP.AMS: weighted round robin, vendor specific */
		if ((i == 1 && cap >> 17 & 1) || (i == 7 && cap >> 18 & 1))
			continue;
		raw_disable();
		raw_write32(R_CC, CC_NORMAL | CC_EN | i << 11);
		expect_cfs("CC.AMS");
		raw_release(case_mark);
	}
}

static void reg_aqa_refused(void)
{
	static const u32 wrong[] = { 0, 63, 63 << 16 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		raw_disable();
		raw_write32(R_AQA, wrong[i]);
		raw_write32(R_CC, CC_NORMAL | CC_EN);
		expect_cfs("AQA");
	}
}

static void reg_asq_refused(void)
{
	unsigned int i;

	for (i = 0; i < 2 * raw_nr_no_memory; i++) {
		raw_disable();
		raw_write64(i & 1 ? R_ASQ : R_ACQ, raw_no_memory[i / 2]);
		raw_write32(R_CC, CC_NORMAL | CC_EN);
		expect_cfs("ASQ or ACQ that is no memory");
		raw_release(case_mark);
	}
}

static void shut_down_by(u32 how)
{
	struct raw_sqe sqe = { .opcode = N_READ };
	struct raw_cqe cqe;

	/* With a command in flight, whose completion must not come later */
	raw_latency_us(SECOND_US);
	raw_lba(&sqe, 1, 0, 1);
	sqe.prp1 = raw_addr(window);
	raw_put(&sq, &sqe);
	raw_ring(&sq);
	wait_ns(20 * RAW_MS);
	raw_write32(R_CC, CC_NORMAL | CC_EN | how);
	expect(raw_wait_csts(CSTS_SHST, CSTS_SHST_DONE, 5 * RAW_S),
	       "CSTS.SHST is %u", (raw_read32(R_CSTS) & CSTS_SHST) >> 2);
	fill_window();
	wait_ns(1200 * RAW_MS);
	expect_window("after a shutdown");
	expect(!raw_get(&cq, &cqe), "a completion comes after a shutdown");
	raw_latency_us(0);
	expect(raw_disable(), "not disabled");
	expect_is("CSTS.SHST when disabled", raw_read32(R_CSTS) & CSTS_SHST,
		  0);
	expect(raw_enable(), "not ready after a shutdown");
	create_io_queues();
	same_storage(true);
}

static void reg_shutdown_normal(void)
{
	shut_down_by(CC_SHN_NORMAL);
}

static void reg_shutdown_abrupt(void)
{
	shut_down_by(CC_SHN_ABRUPT);
}

static void reg_subsystem_reset(void)
{
	raw_write32(R_NSSR, 0x12345678);
	expect_reg("NSSR", R_NSSR, 0);
	expect_is("CSTS after another value", raw_read32(R_CSTS), CSTS_RDY);
	raw_write32(R_NSSR, NSSR_RESET);
	expect(raw_wait_csts(CSTS_RDY, 0, 5 * RAW_S), "no reset");
	expect_is("CC", raw_read32(R_CC), 0);
	expect_reg("NSSR", R_NSSR, 0);
	expect_reg("CSTS after a subsystem reset", R_CSTS, CSTS_NSSRO);
	expect(raw_enable(), "not ready after a subsystem reset");
	create_io_queues();
	same_storage(true);
}

static u16 submit_aer(void)
{
	struct raw_sqe sqe = { .opcode = A_AER };
	u16 cid = raw_put(&raw_asq, &sqe);

	raw_ring(&raw_asq);
	return cid;
}

static void expect_event(const char *what, u16 cid, u32 result)
{
	struct raw_cqe cqe;
	int status = raw_wait(&raw_acq, &cqe);

	expect(status == SC_OK && cqe.cid == cid,
	       "%s: status %#x of command %u", what, status, cqe.cid);
	expect(cqe.result == result, "%s: event %#x instead of %#x", what,
	       cqe.result, result);
}

static void doorbell_unused(void)
{
	u16 cid = submit_aer();

	raw_write32(raw_doorbell(7, false), 3);
	expect_event("a doorbell of no queue", cid, 0x010000);
	cid = submit_aer();
	expect_is("Get Log Page", raw_get_log(1, page, 64), SC_OK);
	raw_write32(raw_doorbell(8, true), 1);
	expect_event("a doorbell of no queue", cid, 0x010000);
	expect_is("a read", rw(N_READ, 0, 1), SC_OK);
}

/* A tail that cannot be: nothing more is consumed until the queue is made anew */
static void doorbell_tail(void)
{
	static const u32 tails[] = { QUEUE_SIZE, 0xffffffff };
	struct raw_sqe sqe = { .opcode = N_READ };
	struct raw_sqe del = { .opcode = A_DELETE_SQ, .cdw10 = 1 };
	struct raw_sq other;
	unsigned int i;
	u16 cid;

	raw_sq_init(&other, 2, QUEUE_SIZE, &cq);
	expect_is("Create SQ", raw_create_sq(&other), SC_OK);
	raw_lba(&sqe, 1, 0, 1);
	sqe.prp1 = raw_addr(window);
	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		expect_is("Get Log Page", raw_get_log(1, page, 64), SC_OK);
		cid = submit_aer();
		raw_write32(raw_doorbell(1, false), tails[i]);
		expect_event("a tail outside of the queue", cid, 0x010100);
		raw_put(&sq, &sqe);
		raw_ring(&sq);
		wait_ns(50 * RAW_MS);
		expect(!raw_peek(&cq), "a command after an invalid tail");
		expect_window("a command after an invalid tail");
		expect_is("a read of another queue",
			  raw_sync(&other, &sqe, NULL), SC_OK);
		fill_window();
		expect_is("Delete SQ", admin(&del, NULL), SC_OK);
		raw_sq_init(&sq, 1, QUEUE_SIZE, &cq);
		expect_is("Create SQ", raw_create_sq(&sq), SC_OK);
		expect_is("a read", rw(N_READ, 0, 1), SC_OK);
		fill_window();
	}
	same_storage(true);
}

static void doorbell_head(void)
{
	/* Outside, and where nothing was posted: 4.1 */
	static const u32 heads[] = { QUEUE_SIZE, 0xffffffff, 0 };
	unsigned int i;
	u16 cid;

	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		u32 head = heads[i] ?: (cq.head + 2) % QUEUE_SIZE;

		expect_is("Get Log Page", raw_get_log(1, page, 64), SC_OK);
		cid = submit_aer();
		raw_write32(raw_doorbell(1, true), head);
		expect_event("a head that cannot be", cid, 0x010100);
		raw_write32(raw_doorbell(1, true), cq.head);
		expect_is("a read", rw(N_READ, 0, 1), SC_OK);
	}
	same_storage(true);
}

/* The BAR has room for thousands, of which the controller may have fewer */
static void doorbell_beyond(void)
{
	u16 cid = submit_aer();

	raw_write32(raw_doorbell(3000, false), 1);
	expect_event("a doorbell beyond all queues", cid, 0x010000);
	expect_reg("that doorbell", raw_doorbell(3000, false), 0);
	expect_is("a read", rw(N_READ, 0, 1), SC_OK);
}

static void reg_reserved(void)
{
	static const u16 regs[] = { 0x18, 0x60, 0x800, 0xdfc, 0xe20, 0xffc };
	u32 cc = raw_read32(R_CC), aqa = raw_read32(R_AQA);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(regs); i++)
		raw_write32(regs[i], 0xffffffff);
	for (i = 0; i < ARRAY_SIZE(regs); i++)
		expect_reg("a reserved register", regs[i], 0);
	raw_write32(R_CC, cc | CC_RESERVED);
	expect_reg("CC", R_CC, cc);
	raw_write32(R_AQA, 0xffffffff);
	expect_reg("AQA", R_AQA, 0x0fff0fff);
	raw_write32(R_AQA, aqa);
	expect_is("a read", rw(N_READ, 0, 1), SC_OK);
}

/* Without Bus Master Enable nothing moves, with it all goes on */
static void bus_master_off(void)
{
	struct raw_sqe sqe = { .opcode = N_READ };
	struct raw_cqe cqe;

	raw_lba(&sqe, 1, 0, 1);
	sqe.prp1 = raw_addr(window);
	fill_window();
	raw_set_dma(false);
	wait_ns(5 * RAW_MS);
	raw_put(&sq, &sqe);
	raw_ring(&sq);
	wait_ns(50 * RAW_MS);
	expect(!raw_peek(&cq), "a completion without Bus Master Enable");
	expect_window("without Bus Master Enable");
	raw_set_dma(true);
	expect_is("the read", raw_wait(&cq, &cqe), SC_OK);
	expect(!memcmp(window, storage_copy, lba_bytes), "wrong data");
}

/* --- 5.3 to 5.6 and 4.1, queues --------------------------------------------- */

static u32 cdw10_of(u32 qid, u32 size)
{
	return (size - 1) << 16 | qid;
}

static void create_cq_refused(void)
{
	void *ring = raw_alloc(RAW_PAGE);
	struct raw_sqe good = {
		.opcode = A_CREATE_CQ, .prp1 = raw_addr(ring),
		.cdw10 = cdw10_of(2, 16), .cdw11 = 1,
	}, sqe;
	unsigned int i;

	sqe = good;
	sqe.cdw10 = cdw10_of(0, 16);
	refused(&raw_asq, "queue 0", &sqe, SC_QID);
	sqe.cdw10 = cdw10_of(1, 16);
	refused(&raw_asq, "a queue that is there", &sqe, SC_QID);
	sqe.cdw10 = cdw10_of(max_qid + 1, 16);
	refused(&raw_asq, "a queue too high", &sqe, SC_QID);
	sqe.cdw10 = cdw10_of(0xffff, 16);
	refused(&raw_asq, "queue 65535", &sqe, SC_QID);
	sqe.cdw10 = cdw10_of(2, 1);
	refused(&raw_asq, "one entry", &sqe, SC_QUEUE_SIZE);
	sqe.cdw10 = cdw10_of(2, max_entries + 1);
	refused(&raw_asq, "more than MQES", &sqe, SC_QUEUE_SIZE);
	sqe = good;
	sqe.cdw11 = 0xffff0003;
	refused(&raw_asq, "vector 65535", &sqe, SC_VECTOR);
	sqe.cdw11 = 2048U << 16 | 3;
	refused(&raw_asq, "vector 2048", &sqe, SC_VECTOR);
	sqe = good;
	sqe.cdw11 = 0;
	refused(&raw_asq, "not contiguous with CAP.CQR", &sqe, SC_FIELD);
	sqe = good;
	sqe.prp1 += 8;
	refused(&raw_asq, "not at a page", &sqe, SC_PRP_OFFSET);
	for (i = 0; i < raw_nr_no_memory; i++) {
		sqe.prp1 = raw_no_memory[i];
		refused(&raw_asq, "no memory", &sqe, SC_XFER);
	}
	expect_is("the good one after all", admin(&good, NULL), SC_OK);
}

static void create_sq_refused(void)
{
	void *ring = raw_alloc(RAW_PAGE);
	struct raw_sqe good = {
		.opcode = A_CREATE_SQ, .prp1 = raw_addr(ring),
		.cdw10 = cdw10_of(2, 16), .cdw11 = 1 << 16 | 1,
	}, sqe;
	unsigned int i;

	sqe = good;
	sqe.cdw10 = cdw10_of(0, 16);
	refused(&raw_asq, "queue 0", &sqe, SC_QID);
	sqe.cdw10 = cdw10_of(1, 16);
	refused(&raw_asq, "a queue that is there", &sqe, SC_QID);
	sqe.cdw10 = cdw10_of(max_qid + 1, 16);
	refused(&raw_asq, "a queue too high", &sqe, SC_QID);
	sqe.cdw10 = cdw10_of(2, 1);
	refused(&raw_asq, "one entry", &sqe, SC_QUEUE_SIZE);
	sqe.cdw10 = cdw10_of(2, max_entries + 1);
	refused(&raw_asq, "more than MQES", &sqe, SC_QUEUE_SIZE);
	sqe = good;
	sqe.cdw11 = 1;
	refused(&raw_asq, "the admin completion queue", &sqe, SC_QID);
	sqe.cdw11 = 2 << 16 | 1;
	refused(&raw_asq, "a completion queue that is not there", &sqe,
		SC_CQ_INVALID);
	sqe.cdw11 = (max_qid + 1) << 16 | 1;
	refused(&raw_asq, "a completion queue too high", &sqe, SC_QID);
	sqe = good;
	sqe.cdw11 &= ~1U;
	refused(&raw_asq, "not contiguous with CAP.CQR", &sqe, SC_FIELD);
	sqe = good;
	sqe.prp1 += 64;
	refused(&raw_asq, "not at a page", &sqe, SC_PRP_OFFSET);
	for (i = 0; i < raw_nr_no_memory; i++) {
		sqe.prp1 = raw_no_memory[i];
		/* Some of what may not be written can be read */
		if (raw_no_memory[i])
			refused(&raw_asq, "no memory", &sqe, SC_XFER);
	}
	expect_is("the good one after all", admin(&good, NULL), SC_OK);
}

static void delete_refused(void)
{
	struct raw_sqe sqe = { .opcode = A_DELETE_SQ };

	refused(&raw_asq, "Delete SQ 0", &sqe, SC_QID);
	sqe.cdw10 = 2;
	refused(&raw_asq, "Delete SQ that is not there", &sqe, SC_QID);
	sqe.cdw10 = 0xffff;
	refused(&raw_asq, "Delete SQ 65535", &sqe, SC_QID);
	sqe.opcode = A_DELETE_CQ;
	refused(&raw_asq, "Delete CQ 65535", &sqe, SC_QID);
	sqe.cdw10 = 0;
	refused(&raw_asq, "Delete CQ 0", &sqe, SC_QID);
	sqe.cdw10 = 2;
	refused(&raw_asq, "Delete CQ that is not there", &sqe, SC_QID);
	sqe.cdw10 = 1;
	refused(&raw_asq, "Delete CQ before its SQ", &sqe, SC_QUEUE_DELETION);
	expect_is("Delete SQ", raw_delete(A_DELETE_SQ, 1), SC_OK);
	expect_is("Delete CQ", raw_delete(A_DELETE_CQ, 1), SC_OK);
	expect_is("Delete SQ twice", raw_delete(A_DELETE_SQ, 1), SC_QID);
	expect_is("Delete CQ twice", raw_delete(A_DELETE_CQ, 1), SC_QID);
	create_io_queues();
}

/* CC.IOSQES and CC.IOCQES are looked at when a queue is created, 3.1.5 */
static void entry_sizes_refused(void)
{
	static const u32 wrong[] = {
		0, 5U << 16 | 4U << 20, 7U << 16 | 4U << 20, 4U << 20,
		6U << 16, 6U << 16 | 3U << 20, 6U << 16 | 5U << 20,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		int status;

		raw_disable();
		raw_release(case_mark);
		/* It may as well not get ready */
		if (!raw_enable_cc(CC_EN | wrong[i], 16, 16)) {
			expect(raw_read32(R_CSTS) & CSTS_CFS,
			       "neither ready nor CFS");
			continue;
		}
		raw_cq_init(&cq, 1, QUEUE_SIZE);
		raw_sq_init(&sq, 1, QUEUE_SIZE, &cq);
		status = raw_create_cq(&cq);
		if (!status)
			status = raw_create_sq(&sq);
		expect_is("Create with other entry sizes", status,
			  SC_QUEUE_SIZE);
	}
}

static void many_sqs_one_cq(void)
{
	struct raw_sq more[4];
	struct raw_sqe sqe = { .opcode = N_READ };
	struct raw_cqe cqe;
	unsigned int i, round, seen[4] = { };

	for (i = 0; i < 4; i++) {
		raw_sq_init(&more[i], 2 + i, 3 + i * 7, &cq);
		expect_is("Create SQ", raw_create_sq(&more[i]), SC_OK);
	}
	raw_lba(&sqe, 1, 0, 1);
	sqe.prp1 = raw_addr(window);
	for (round = 0; round < 60; round++) {
		u16 cid[4];

		for (i = 0; i < 4; i++) {
			cid[i] = raw_put(&more[i], &sqe);
			raw_ring(&more[i]);
		}
		for (i = 0; i < 4; i++) {
			u16 k;

			expect_is("a read", raw_wait(&cq, &cqe), SC_OK);
			k = cqe.sqid - 2;
			expect(k < 4 && cqe.cid == cid[k],
			       "command %u of queue %u", cqe.cid, cqe.sqid);
			expect_is("SQ Head", cqe.sqhd, more[k].tail);
			seen[k]++;
		}
	}
	for (i = 0; i < 4; i++)
		expect_is("completions of a queue", seen[i], 60);
	/* One goes, the others stay */
	expect_is("Delete SQ", raw_delete(A_DELETE_SQ, 3), SC_OK);
	expect_is("Delete CQ", raw_delete(A_DELETE_CQ, 1),
		  SC_QUEUE_DELETION);
	expect_is("a read", raw_sync(&more[0], &sqe, NULL), SC_OK);
}

/* Sizes that are no multiple of a page, memory at any page */
static void queue_sizes(void)
{
	static const u32 sizes[] = { 2, 3, 63, 65, 100, 257, 1000, 0 };
	struct raw_sqe sqe = { .opcode = N_READ };
	unsigned int i;

	raw_lba(&sqe, 1, 0, 1);
	sqe.prp1 = raw_addr(window);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u32 size = sizes[i] ? sizes[i] : max_entries, j;
		size_t mark = raw_mark();
		struct raw_cq c;
		struct raw_sq s;

		if (size > max_entries || size > 32768)
			continue;
		raw_alloc(RAW_PAGE * (1 + below(3)));
		raw_cq_init(&c, 2, size);
		/* Of another size than its submission queue */
		raw_sq_init(&s, 3, size > 3 ? size - 1 : size, &c);
		memset((u8 *)c.ring + size * 16, PATTERN,
		       (RAW_PAGE - size * 16 % RAW_PAGE) % RAW_PAGE);
		expect_is("Create CQ", raw_create_cq(&c), SC_OK);
		expect_is("Create SQ", raw_create_sq(&s), SC_OK);
		for (j = 0; j < 2 * size + 3; j++)
			expect_is("a read", raw_sync(&s, &sqe, NULL), SC_OK);
		for (j = size * 16; j % RAW_PAGE; j++)
			expect(((u8 *)c.ring)[j] == PATTERN,
			       "memory behind a queue of %u was written",
			       size);
		expect_is("Delete SQ", raw_delete(A_DELETE_SQ, 3), SC_OK);
		expect_is("Delete CQ", raw_delete(A_DELETE_CQ, 2), SC_OK);
		raw_release(mark);
	}
}

static void cq_never_overrun(void)
{
	struct raw_sqe sqe = { .opcode = N_READ };
	struct raw_cqe cqe, before[5];
	struct raw_cq small;
	struct raw_sq s;
	unsigned int i;

	raw_cq_init(&small, 2, 5);
	raw_sq_init(&s, 2, 40, &small);
	expect_is("Create CQ", raw_create_cq(&small), SC_OK);
	expect_is("Create SQ", raw_create_sq(&s), SC_OK);
	raw_lba(&sqe, 1, 0, 1);
	sqe.prp1 = raw_addr(window);
	for (i = 0; i < 30; i++)
		raw_put(&s, &sqe);
	raw_ring(&s);
	wait_ns(50 * RAW_MS);
	memcpy(before, small.ring, sizeof(before));
	wait_ns(50 * RAW_MS);
	expect(!memcmp(before, small.ring, sizeof(before)),
	       "entries of a full queue were written");
	for (i = 0; i < 4; i++)
		expect_is("phase of a posted entry",
			  small.ring[i].status & 1, 1);
	expect_is("the entry that keeps it from being empty",
		  small.ring[4].status, 0);
	/* Each that is taken lets one in, in order */
	for (i = 0; i < 30; i++) {
		expect_is("a read", raw_wait(&small, &cqe), SC_OK);
		expect_is("command", cqe.cid, i);
	}
	expect(!raw_peek(&small), "one completion too many");
	/* A head outside of the queue frees nothing */
	for (i = 0; i < 10; i++)
		raw_put(&s, &sqe);
	raw_ring(&s);
	wait_ns(20 * RAW_MS);
	memcpy(before, small.ring, sizeof(before));
	raw_write32(raw_doorbell(2, true), 5);
	wait_ns(20 * RAW_MS);
	expect(!memcmp(before, small.ring, sizeof(before)),
	       "a head outside of the queue was believed");
	for (i = 0; i < 10; i++)
		expect_is("a read", raw_wait(&small, &cqe), SC_OK);
}

/* Reads have to be dropped or completed; afterwards their memory is ours */
static void delete_in_flight(void)
{
	struct raw_sqe sqe = { .opcode = N_READ };
	u64 since;
	unsigned int i;

	raw_latency_us(20 * SECOND_US);
	raw_lba(&sqe, 1, 0, 1);
	sqe.prp1 = raw_addr(window);
	for (i = 0; i < 40; i++)
		raw_put(&sq, &sqe);
	raw_ring(&sq);
	wait_ns(20 * RAW_MS);
	since = raw_now_ns();
	expect_is("Delete SQ", raw_delete(A_DELETE_SQ, 1), SC_OK);
	expect(raw_now_ns() - since < 5 * RAW_S, "Delete SQ waits for commands");
	memset(cq.ring, PATTERN, QUEUE_SIZE * 16);
	fill_window();
	wait_ns(50 * RAW_MS);
	expect_window("after Delete SQ");
	for (i = 0; i < QUEUE_SIZE * 16; i++)
		expect(((u8 *)cq.ring)[i] == PATTERN,
		       "a completion comes after Delete SQ");
	expect_is("Delete CQ", raw_delete(A_DELETE_CQ, 1), SC_OK);
	raw_latency_us(0);
	if (raw_in_flight() >= 0)
		expect_is("commands in flight", raw_in_flight(), 0);
	create_io_queues();
	expect_is("a read", rw(N_READ, 0, 1), SC_OK);
}

/* Both queues have work before the device looks: bursts alternate, 4.13 */
static void round_robin(void)
{
	struct raw_sqe sqe = { .opcode = N_READ };
	struct raw_sqe feature = { .opcode = A_SET_FEATURES, .cdw10 = 1,
				   /* Bursts of four */
				   .cdw11 = 2 };
	struct raw_sq s[3];
	struct raw_cq c;
	struct raw_cqe cqe;
	unsigned int i, j, run = 0, left[3];
	u16 last = 0;

	expect_is("Set Features", admin(&feature, NULL), SC_OK);
	raw_cq_init(&c, 2, 200);
	expect_is("Create CQ", raw_create_cq(&c), SC_OK);
	raw_lba(&sqe, 1, 0, 1);
	sqe.prp1 = raw_addr(window);
	for (i = 0; i < 3; i++) {
		raw_sq_init(&s[i], 2 + i, 64, &c);
		expect_is("Create SQ", raw_create_sq(&s[i]), SC_OK);
		for (j = 0; j < 48; j++)
			raw_put(&s[i], &sqe);
		left[i] = 48;
	}
	raw_set_dma(false);
	wait_ns(10 * RAW_MS);
	for (i = 0; i < 3; i++)
		raw_ring(&s[i]);
	wait_ns(10 * RAW_MS);
	raw_set_dma(true);
	for (i = 0; i < 3 * 48; i++) {
		expect_is("a read", raw_wait(&c, &cqe), SC_OK);
		j = cqe.sqid - 2;
		expect(j < 3, "queue %u", cqe.sqid);
		run = cqe.sqid == last ? run + 1 : 1;
		last = cqe.sqid;
		expect(run <= 4 || left[(j + 1) % 3] + left[(j + 2) % 3] == 0,
		       "%u commands of queue %u in a row, the burst is 4",
		       run, cqe.sqid);
		left[j]--;
	}
}

/*
 * Weights of 8, 4 and 1, and one slot: while all three have work they get that
 * many of 13. What is urgent comes before all of them.
 */
static void weighted_round_robin(void)
{
	struct raw_sqe feature = { .opcode = A_SET_FEATURES, .cdw10 = 1,
				   .cdw11 = 7U << 24 | 3 << 16 | 0 << 8 };
	struct raw_sqe sqe = { .opcode = N_READ };
	unsigned int seen[4] = { }, urgent_at = 0;
	struct raw_sq s[4];
	struct raw_cq c;
	struct raw_cqe cqe;
	u32 i, j;

	if (!(raw_read64(R_CAP) >> 17 & 1))
		not_offered();
	expect(raw_disable(), "not disabled");
	expect(raw_enable_cc(CC_NORMAL | CC_EN | 1 << 11, 64, 64),
	       "not ready with the arbitration that CAP.AMS offers");
	expect_is("Set Features", admin(&feature, NULL), SC_OK);
	raw_slots(1);
	raw_latency_us(1000);
	raw_cq_init(&c, 2, 300);
	expect_is("Create CQ", raw_create_cq(&c), SC_OK);
	raw_lba(&sqe, 1, 0, 1);
	sqe.prp1 = raw_addr(window);
	for (i = 0; i < 4; i++) {
		raw_sq_init(&s[i], 2 + i, 64, &c);
		/* Urgent is 0, then high, medium, low */
		expect_is("Create SQ", raw_create_sq_prio(&s[i], i), SC_OK);
	}
	for (i = 1; i < 4; i++)
		for (j = 0; j < 40; j++)
			raw_put(&s[i], &sqe);
	raw_set_dma(false);
	wait_ns(10 * RAW_MS);
	for (i = 1; i < 4; i++)
		raw_ring(&s[i]);
	wait_ns(10 * RAW_MS);
	raw_set_dma(true);
	/* Three rounds, of which the first may not have seen all three */
	for (i = 0; i < 4 * 13; i++) {
		expect_is("a read", raw_wait(&c, &cqe), SC_OK);
		if (i >= 13)
			seen[cqe.sqid - 2]++;
		if (i == 4 * 13 - 1) {
			raw_put(&s[0], &sqe);
			raw_ring(&s[0]);
		}
	}
	for (i = 0; i < 3 * 40 + 1 - 4 * 13; i++) {
		expect_is("a read", raw_wait(&c, &cqe), SC_OK);
		if (cqe.sqid == 2)
			urgent_at = i;
	}
	raw_latency_us(0);
	raw_slots(32);
	expect(seen[1] >= 22 && seen[1] <= 26 && seen[2] >= 10 &&
	       seen[2] <= 14 && seen[3] >= 2 && seen[3] <= 4,
	       "of 39 commands %u are high, %u medium, %u low", seen[1],
	       seen[2], seen[3]);
	/* In the VM some go on while the doorbell is rung: how many is our speed */
	expect(!raw_native || urgent_at < 4, "%u commands before the urgent one", urgent_at);
}

/*
 * An urgent queue whose completions nobody takes has room for one command more,
 * and a fused pair is next: the queues of lower classes go on.
 */
static void urgent_queue_stuck(void)
{
	struct raw_sqe read = { .opcode = N_READ, .prp1 = raw_addr(window) };
	struct raw_sqe half = { .prp1 = raw_addr(window) };
	struct raw_sq urgent, low[2];
	struct raw_cq full, c[2];
	struct raw_cqe cqe;
	u32 i;

	if (!(raw_read64(R_CAP) >> 17 & 1))
		not_offered();
	expect(raw_disable(), "not disabled");
	expect(raw_enable_cc(CC_NORMAL | CC_EN | 1 << 11, 64, 64),
	       "not ready with the arbitration that CAP.AMS offers");
	raw_cq_init(&full, 2, 2);
	expect_is("Create CQ", raw_create_cq(&full), SC_OK);
	raw_sq_init(&urgent, 2, 4, &full);
	expect_is("Create SQ", raw_create_sq_prio(&urgent, 0), SC_OK);
	/* Two, so that one is the same worker's */
	for (i = 0; i < 2; i++) {
		raw_cq_init(&c[i], 3 + i, 8);
		expect_is("Create CQ", raw_create_cq(&c[i]), SC_OK);
		raw_sq_init(&low[i], 3 + i, 8, &c[i]);
		expect_is("Create SQ", raw_create_sq_prio(&low[i], 3), SC_OK);
	}
	raw_lba(&read, 1, 0, 1);
	raw_lba(&half, 1, 0, 1);
	/* One completes, three wait for room, and there are four at most */
	for (i = 0; i < 4; i++) {
		raw_put(&urgent, &read);
		raw_ring(&urgent);
		wait_ns(10 * RAW_MS);
	}
	half.opcode = N_COMPARE;
	half.flags = 1;
	raw_put(&urgent, &half);
	half.opcode = N_WRITE;
	half.flags = 2;
	raw_put(&urgent, &half);
	raw_ring(&urgent);
	wait_ns(10 * RAW_MS);
	for (i = 0; i < 2; i++)
		expect_is("a read of a lower class",
			  raw_sync(&low[i], &read, NULL), SC_OK);
	for (i = 0; i < 6; i++)
		expect_is("an urgent command", raw_wait(&full, &cqe), SC_OK);
}

/* --- 5.15, Identify ---------------------------------------------------------- */

static void identify_ctrl(void)
{
	u32 i;

	fill_window();
	expect_is("Identify", raw_identify(1, 0, window + RAW_PAGE), SC_OK);
	for (i = 0; i < RAW_PAGE; i++)
		expect(window[i] == PATTERN &&
		       window[2 * RAW_PAGE + i] == PATTERN,
		       "memory beside the data was written");
	memcpy(page, window + RAW_PAGE, RAW_PAGE);
	expect_is("VID", get16(page), 0x6e76);
	for (i = 4; i < 72; i++)
		expect(page[i] >= 0x20 && page[i] < 0x7f,
		       "byte %u, of SN, MN and FR, is %#x", i, page[i]);
	expect_is("VER", get32(page + 80), 0x10400);
	expect_is("CNTRLTYPE", page[111], 1);
	expect_is("SQES", page[512], 0x66);
	expect_is("CQES", page[513], 0x44);
	expect(get32(page + 516) >= 1, "NN is 0");
	expect(page[77] < 16, "MDTS is %u", page[77]);
	expect(!memcmp(page + 768, "nqn.", 4), "SUBNQN begins with %.8s",
	       page + 768);
	expect(memchr(page + 768, 0, 256), "SUBNQN has no end");
	expect_is("HMPRE", get32(page + 272), 0);
}

static void identify_ns(void)
{
	u32 i;

	expect_is("Identify", raw_identify(0, 1, page), SC_OK);
	expect_is("NSZE", get64(page), nr_lba);
	expect(get64(page + 8) <= get64(page), "NCAP is larger than NSZE");
	expect((page[26] & 0xf) <= page[25], "FLBAS is not among the formats");
	expect_is("LBADS", 1U << page[128 + 4 * (page[26] & 0xf) + 2],
		  lba_bytes);
	expect_is("MS", get16(page + 128 + 4 * (page[26] & 0xf)), 0);
	/* Capabilities that all have in common */
	expect_is("Identify, all", raw_identify(0, NSID_ALL, page), SC_OK);
	expect(page[128 + 2] == 9 || page[128 + 2] == 12, "LBADS is %u",
	       page[128 + 2]);
	/* One that could be there, and is not: zeroes */
	memset(page, PATTERN, RAW_PAGE);
	expect_is("Identify, inactive", raw_identify(0, 2, page), SC_OK);
	for (i = 0; i < RAW_PAGE; i++)
		expect(!page[i], "an inactive namespace has byte %u", i);
}

static void identify_lists(void)
{
	expect_is("active list", raw_identify(2, 0, page), SC_OK);
	expect_is("the first", get32(page), 1);
	expect_is("the second", get32(page + 4), 0);
	expect_is("active list above 1", raw_identify(2, 1, page), SC_OK);
	expect_is("the first", get32(page), 0);
	expect_is("allocated list", raw_identify(0x10, 0, page), SC_OK);
	expect_is("the first", get32(page), 1);
	expect_is("allocated namespace", raw_identify(0x11, 1, page), SC_OK);
	expect_is("NSZE", get64(page), nr_lba);
	expect_is("controllers of a namespace", raw_identify(0x12, 1, page),
		  SC_OK);
	expect_is("how many", get16(page), 1);
	expect_is("controllers", raw_identify(0x13, 0, page), SC_OK);
	expect_is("how many", get16(page), 1);
	expect_is("controllers from 1 on",
		  raw_identify(0x13 | 1 << 16, 0, page), SC_OK);
	expect_is("how many", get16(page), 0);
}

static void identify_descriptors(void)
{
	unsigned int at = 0, kinds = 0;

	expect_is("descriptors", raw_identify(3, 1, page), SC_OK);
	while (page[at]) {
		static const u8 len[] = { 0, 8, 16, 16, 1 };

		expect(page[at] <= 4 && page[at + 1] == len[page[at]],
		       "type %u has %u bytes", page[at], page[at + 1]);
		kinds |= 1U << page[at];
		at += 4 + page[at + 1];
		expect(at < RAW_PAGE - 4, "no end");
	}
	expect(kinds, "no descriptor");
}

static void identify_refused(void)
{
	struct raw_sqe good = { .opcode = A_IDENTIFY, .cdw10 = 1,
				.prp1 = raw_addr(window) }, sqe;
	unsigned int i;

	sqe = good;
	sqe.cdw10 = 0x99;
	refused(&raw_asq, "CNS 99h", &sqe, SC_FIELD);
	sqe.cdw10 = 0xff;
	refused(&raw_asq, "CNS FFh", &sqe, SC_FIELD);
	sqe.cdw10 = 0;
	refused(&raw_asq, "namespace 0", &sqe, SC_NS);
	sqe.nsid = nr_ns + 1;
	refused(&raw_asq, "a namespace above NN", &sqe, SC_NS);
	sqe.nsid = NSID_ALL - 1;
	sqe.cdw10 = 2;
	refused(&raw_asq, "active list above FFFFFFFEh", &sqe, SC_NS);
	sqe.nsid = NSID_ALL;
	refused(&raw_asq, "active list above FFFFFFFFh", &sqe, SC_NS);
	sqe.nsid = 0;
	sqe.cdw10 = 3;
	refused(&raw_asq, "descriptors of namespace 0", &sqe, SC_NS);
	for (i = 1; i < 4; i++) {
		sqe = good;
		sqe.prp1 += i;
		refused(&raw_asq, "PRP1 not at a dword", &sqe, SC_PRP_OFFSET);
	}
	sqe = good;
	sqe.prp1 += 4;
	sqe.prp2 = raw_addr(window) + RAW_PAGE + 8;
	refused(&raw_asq, "PRP2 not at a page", &sqe, SC_PRP_OFFSET);
	for (i = 0; i < raw_nr_no_memory; i++) {
		sqe.prp2 = raw_no_memory[i];
		refused(&raw_asq, "PRP2 no memory", &sqe, SC_XFER);
		sqe = good;
		sqe.prp1 = raw_no_memory[i];
		refused(&raw_asq, "PRP1 no memory", &sqe, SC_XFER);
		sqe = good;
		sqe.prp1 += 4;
	}
	sqe = good;
	sqe.flags = 0x40;
	refused(&raw_asq, "an SGL", &sqe, SC_FIELD);
	sqe.flags = 1;
	refused(&raw_asq, "a fused admin command", &sqe, SC_FIELD);
}

/* --- 5.14, log pages --------------------------------------------------------- */

/* Any number of dwords from any dword on, over a PRP list */
static void log_parts(void)
{
	struct raw_sqe sqe = { .opcode = A_GET_LOG, .nsid = NSID_ALL };
	u8 whole[RAW_PAGE];
	u32 i, j;

	expect_is("Get Log Page", raw_get_log(5, page, RAW_PAGE), SC_OK);
	memcpy(whole, page, RAW_PAGE);
	for (i = 0; i < 60; i++) {
		u32 dwords = i < 4 ? 4096 * i + 1 : 1 + below(below(2) ? 64 : 8192);
		u32 from = 4 * below(1024), offset = 4 * below(1024);
		u32 bytes = dwords * 4;

		if (offset + bytes > WINDOW_BYTES - RAW_PAGE)
			continue;
		fill_window();
		sqe.cdw10 = 5 | (dwords - 1) << 16;
		sqe.cdw11 = (dwords - 1) >> 16;
		sqe.cdw12 = from;
		raw_prps(&sqe, window_pages, offset, bytes,
			 lists + below(512));
		expect_is("a part of a log", admin(&sqe, NULL), SC_OK);
		for (j = 0; j < WINDOW_BYTES; j++) {
			u8 wanted = PATTERN;

			/* Beyond the log the content is not defined */
			if (j >= offset && j < offset + bytes) {
				if (j - offset + from >= RAW_PAGE)
					continue;
				wanted = whole[j - offset + from];
			}
			expect(window[j] == wanted,
			       "%u dwords from %u to offset %u: byte %u is %#x instead of %#x",
			       dwords, from, offset, j, window[j], wanted);
		}
	}
}

static void log_refused(void)
{
	struct raw_sqe good = { .opcode = A_GET_LOG, .nsid = NSID_ALL,
				.cdw10 = 2 | 127 << 16,
				.prp1 = raw_addr(window) }, sqe;

	sqe = good;
	sqe.cdw10 = 0xbe | 127 << 16;
	refused(&raw_asq, "log BEh", &sqe, SC_LOG_PAGE);
	sqe.cdw10 = 0 | 127 << 16;
	refused(&raw_asq, "log 0", &sqe, SC_LOG_PAGE);
	sqe = good;
	sqe.cdw12 = 2;
	refused(&raw_asq, "an offset within a dword", &sqe, SC_FIELD);
	sqe.cdw12 = 1U << 20;
	refused(&raw_asq, "an offset behind the log", &sqe, SC_FIELD);
	sqe.cdw12 = 0;
	sqe.cdw13 = 1;
	refused(&raw_asq, "an offset far behind the log", &sqe, SC_FIELD);
	sqe = good;
	sqe.cdw10 = 2 | 0xffffU << 16;
	sqe.cdw11 = 0xffff;
	refused(&raw_asq, "more than MDTS", &sqe, SC_FIELD);
	sqe = good;
	sqe.prp1 += 2;
	refused(&raw_asq, "PRP1 not at a dword", &sqe, SC_PRP_OFFSET);
}

static u64 smart(unsigned int at)
{
	expect_is("SMART", raw_get_log(2, page, 512), SC_OK);
	return get64(page + at);
}

static void log_smart(void)
{
	u64 read = smart(32), written = smart(48), reads = smart(64),
	    writes = smart(80);
	u32 i, nlb = 128000 / lba_bytes;

	/* 8 times 125 * 1024 bytes are 2 * 1000 * 512 */
	for (i = 0; i < 8; i++)
		expect_is("a read", rw(N_READ, 0, nlb), SC_OK);
	for (i = 0; i < 4; i++) {
		memcpy(window, storage_copy, nlb * lba_bytes);
		expect_is("a write", rw(N_WRITE, 0, nlb), SC_OK);
	}
	expect_is("Data Units Read", smart(32), read + 2);
	expect_is("Data Units Written", smart(48), written + 1);
	expect_is("Host Read Commands", smart(64), reads + 8);
	expect_is("Host Write Commands", smart(80), writes + 4);
	expect_is("Critical Warning", page[0], 0);
	expect(get16(page + 1) > 273 && get16(page + 1) < 373,
	       "temperature %u K", get16(page + 1));
}

static bool supported(const u8 *effects, u32 opcode)
{
	return get32(effects + 4 * opcode) & 1;
}

/* What the log of commands does not have ends with Invalid Command Opcode */
static void unsupported_opcodes(void)
{
	u8 effects[RAW_PAGE];
	u32 opcode;

	expect_is("Get Log Page", raw_get_log(5, page, RAW_PAGE), SC_OK);
	memcpy(effects, page, RAW_PAGE);
	fill_window();
	for (opcode = 0; opcode < 256; opcode++) {
		struct raw_sqe sqe = { .opcode = opcode, .nsid = 1,
				       .prp1 = raw_addr(window) };

		if (!supported(effects, opcode))
			refused_in(&raw_asq, "an admin opcode", &sqe,
				   SC_OPCODE);
		if (!supported(effects + 1024, opcode))
			refused_in(&sq, "an I/O opcode", &sqe, SC_OPCODE);
	}
	expect_window("unsupported opcodes");
	same_storage(true);
}

/* --- 5.9 and 5.21, features ---------------------------------------------------- */

static int feature(u8 opcode, u32 cdw10, u32 cdw11, u32 *value)
{
	struct raw_sqe sqe = { .opcode = opcode, .cdw10 = cdw10,
			       .cdw11 = cdw11, .prp1 = raw_addr(page) };

	return admin(&sqe, value);
}

static void features_values(void)
{
	/* Identifier, another value, bits that come back */
	static const u32 set[][3] = {
		{ 0x01, 0x03020102, 0x07 }, { 0x04, 340, 0xffff },
		{ 0x06, 0, 1 }, { 0x08, 0x0503, 0xffff },
		{ 0x09, 0x10000, 0x1ffff }, { 0x0a, 1, 1 },
		{ 0x0b, 0x102, 0x102 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(set); i++) {
		u32 fid = set[i][0], value, before, cdw11 = 0;

		expect_is("current", feature(A_GET_FEATURES, fid, cdw11,
					     &before), SC_OK);
		expect_is("default", feature(A_GET_FEATURES, fid | 1 << 8,
					     cdw11, &value), SC_OK);
		expect(value == before, "feature %#x: default %#x, after a reset %#x",
		       fid, value, before);
		expect_is("supported", feature(A_GET_FEATURES, fid | 3 << 8,
					       cdw11, &value), SC_OK);
		expect(value & 4, "feature %#x cannot be changed", fid);
		expect_is("set", feature(A_SET_FEATURES, fid, set[i][1],
					 NULL), SC_OK);
		expect_is("current", feature(A_GET_FEATURES, fid, cdw11,
					     &value), SC_OK);
		expect((value & set[i][2]) == (set[i][1] & set[i][2]),
		       "feature %#x: set to %#x, reads %#x", fid, set[i][1],
		       value);
		expect(raw_disable() && raw_enable(), "no reset");
		expect_is("current", feature(A_GET_FEATURES, fid, cdw11,
					     &value), SC_OK);
		expect(value == before, "feature %#x: %#x after a reset, not %#x",
		       fid, value, before);
	}
}

static void features_refused(void)
{
	struct raw_sqe sqe = { .opcode = A_SET_FEATURES, .cdw10 = 0x01,
			       .prp1 = raw_addr(window) };
	static const u8 unknown[] = { 0x00, 0x50, 0x77, 0xa0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		sqe.cdw10 = unknown[i];
		sqe.opcode = A_SET_FEATURES;
		refused(&raw_asq, "Set of an unknown feature", &sqe,
			SC_FIELD);
		sqe.opcode = A_GET_FEATURES;
		refused(&raw_asq, "Get of an unknown feature", &sqe,
			SC_FIELD);
	}
	sqe.opcode = A_GET_FEATURES;
	sqe.cdw10 = 0x01 | 5 << 8;
	refused(&raw_asq, "Get, select 5", &sqe, SC_FIELD);
	sqe.opcode = A_SET_FEATURES;
	sqe.cdw10 = 0x01 | 1U << 31;
	refused(&raw_asq, "Save", &sqe, SC_NOT_SAVEABLE);
	sqe.cdw10 = 0x01;
	sqe.nsid = 1;
	refused(&raw_asq, "Arbitration of a namespace", &sqe, SC_NOT_PER_NS);
	sqe.nsid = 0;
	sqe.cdw10 = 0x07;
	sqe.cdw11 = 0x00010001;
	refused(&raw_asq, "Number of Queues, with queues", &sqe, SC_SEQUENCE);
	sqe.cdw10 = 0x02;
	sqe.cdw11 = 0x1f;
	refused(&raw_asq, "power state 31", &sqe, SC_FIELD);
	sqe.cdw10 = 0x09;
	sqe.cdw11 = 0xffff;
	refused(&raw_asq, "vector 65535", &sqe, SC_FIELD);
	sqe.cdw11 = 0x10005;
	refused(&raw_asq, "a vector of no queue", &sqe, SC_FIELD);
	sqe.cdw10 = 0x0e;
	sqe.cdw11 = 0;
	sqe.prp1 = raw_no_memory[0];
	refused(&raw_asq, "Timestamp out of no memory", &sqe, SC_XFER);
}

static void features_num_queues(void)
{
	u32 value;

	expect(raw_disable() && raw_enable(), "no reset");
	expect_is("65536 queues", feature(A_SET_FEATURES, 7, 0xffff0001,
					  NULL), SC_FIELD);
	expect_is("65536 queues", feature(A_SET_FEATURES, 7, 0x0001ffff,
					  NULL), SC_FIELD);
	expect_is("Set", feature(A_SET_FEATURES, 7, 0xfffefffe, &value),
		  SC_OK);
	expect_is("SQs and CQs granted", value & 0xffff, max_qid - 1);
	expect_is("SQs and CQs granted", value >> 16, max_qid - 1);
}

static void features_data(void)
{
	u64 stamp = 0x123456789abULL, value;
	unsigned int i;

	memset(page, 0, RAW_PAGE);
	memcpy(page, &stamp, 6);
	expect_is("Set Timestamp", feature(A_SET_FEATURES, 0x0e, 0, NULL),
		  SC_OK);
	wait_ns(5 * RAW_MS);
	memset(page, PATTERN, RAW_PAGE);
	expect_is("Get Timestamp", feature(A_GET_FEATURES, 0x0e, 0, NULL),
		  SC_OK);
	value = get64(page) & 0xffffffffffffULL;
	expect(value >= stamp + 4 && value < stamp + 60000,
	       "Timestamp %llu, 5 ms after %llu", value, stamp);
	expect_is("Timestamp Origin", page[6] >> 1 & 7, 1);
	expect_is("a byte behind", page[8], PATTERN);

	for (i = 0; i < 16; i++)
		page[i] = 0xa0 + i;
	expect_is("Set Host Identifier", feature(A_SET_FEATURES, 0x81, 1,
						 NULL), SC_OK);
	memset(page, PATTERN, RAW_PAGE);
	expect_is("Get Host Identifier", feature(A_GET_FEATURES, 0x81, 1,
						 NULL), SC_OK);
	for (i = 0; i < 16; i++)
		expect_is("Host Identifier", page[i], 0xa0 + i);
	expect_is("a byte behind", page[16], PATTERN);
}

/* --- 5.2, events, and 5.1, Abort ------------------------------------------------ */

static void aer_limit(void)
{
	struct raw_sqe sqe = { .opcode = A_AER };
	struct raw_cqe cqe;
	u32 limit, i;
	u16 cid;

	expect_is("Identify", raw_identify(1, 0, page), SC_OK);
	limit = page[259] + 1;
	for (i = 0; i < limit; i++)
		submit_aer();
	cid = raw_put(&raw_asq, &sqe);
	raw_ring(&raw_asq);
	expect_is("one too many", raw_wait(&raw_acq, &cqe), SC_AER_LIMIT);
	expect_is("which", cqe.cid, cid);
	expect(!raw_peek(&raw_acq), "a request is not held");
	/* A reset forgets them without completing them */
	expect(raw_disable() && raw_enable(), "no reset");
	for (i = 0; i < limit; i++)
		submit_aer();
	expect_is("Identify", raw_identify(1, 0, page), SC_OK);
}

static void aer_temperature(void)
{
	u16 first = submit_aer();
	struct raw_cqe cqe;
	u16 second;

	/* Enabled for the warning of the temperature alone */
	expect_is("Set", feature(A_SET_FEATURES, 0x0b, 2, NULL), SC_OK);
	expect(!raw_peek(&raw_acq), "an event without a cause");
	expect_is("Set", feature(A_SET_FEATURES, 0x04, 200, NULL), SC_OK);
	expect_event("over temperature", first, 0x020101);
	/* Not again before the log was read */
	second = submit_aer();
	expect_is("Set", feature(A_SET_FEATURES, 0x04, 201, NULL), SC_OK);
	wait_ns(20 * RAW_MS);
	expect(!raw_get(&raw_acq, &cqe), "an event that is masked");
	expect_is("SMART", raw_get_log(2, page, 512), SC_OK);
	expect_is("Critical Warning", page[0], 2);
	expect_is("Set", feature(A_SET_FEATURES, 0x04, 202, NULL), SC_OK);
	expect_event("over temperature again", second, 0x020101);
}

static void abort_waiting(void)
{
	struct raw_sqe sqe = { .opcode = N_READ };
	struct raw_cqe cqe;
	u16 cid, victim = 0;
	u32 i;

	raw_latency_us(20 * SECOND_US);
	raw_lba(&sqe, 1, 0, 1);
	sqe.prp1 = raw_addr(window);
	for (i = 0; i < 8; i++) {
		cid = raw_put(&sq, &sqe);
		if (i == 5)
			victim = cid;
	}
	raw_ring(&sq);
	wait_ns(20 * RAW_MS);
	sqe = (struct raw_sqe){ .opcode = A_ABORT,
				.cdw10 = (u32)victim << 16 | 1 };
	expect_is("Abort", raw_sync(&raw_asq, &sqe, &cqe), SC_OK);
	expect_is("bit 0: not aborted", cqe.result & 1, 0);
	expect_is("the aborted command", raw_wait(&cq, &cqe), SC_ABORTED);
	expect_is("which", cqe.cid, victim);
	/* It is no longer there */
	expect_is("Abort", raw_sync(&raw_asq, &sqe, &cqe), SC_OK);
	expect_is("bit 0: not aborted", cqe.result & 1, 1);
	sqe.cdw10 = 0xfff0U << 16 | 1;
	expect_is("Abort of none", raw_sync(&raw_asq, &sqe, &cqe), SC_OK);
	expect_is("bit 0: not aborted", cqe.result & 1, 1);
	expect(!raw_peek(&cq), "another command completes");
	raw_latency_us(0);
}

/* --- 5.23, Format, 5.19 and 5.20, namespaces ---------------------------------- */

static void format_refused(void)
{
	struct raw_sqe sqe = { .opcode = A_FORMAT, .nsid = 1 };

	sqe.cdw10 = 0xf;
	refused(&raw_asq, "LBA format 15", &sqe, SC_FORMAT);
	sqe.cdw10 = 1 << 5;
	refused(&raw_asq, "protection information", &sqe, SC_FORMAT);
	sqe.cdw10 = 7 << 9;
	refused(&raw_asq, "SES 7", &sqe, SC_FIELD);
	sqe.cdw10 = lba_bytes == 4096;
	sqe.nsid = 0;
	refused(&raw_asq, "namespace 0", &sqe, SC_NS);
	sqe.nsid = nr_ns + 1;
	refused(&raw_asq, "a namespace above NN", &sqe, SC_NS);
}

static void format_erases(void)
{
	struct raw_sqe sqe = { .opcode = A_FORMAT, .nsid = 1,
			       .cdw10 = (lba_bytes == 4096) | 1 << 9 };
	u64 lba, n, i;

	expect_is("Format", admin(&sqe, NULL), SC_OK);
	for (lba = 0; lba < nr_lba; lba += n) {
		n = nr_lba - lba < max_nlb ? nr_lba - lba : max_nlb;
		big_io(N_READ, lba, n);
		for (i = 0; i < n * lba_bytes; i++)
			expect(!big[i], "something is left of block %llu",
			       lba + i / lba_bytes);
	}
	fill_storage();
}

static void namespaces_refused(void)
{
	struct raw_sqe sqe = { .opcode = A_NS_MGMT,
			       .prp1 = raw_addr(page) };
	u64 one = 1;

	memset(page, 0, RAW_PAGE);
	memcpy(page, &one, 8);
	memcpy(page + 8, &one, 8);
	sqe.cdw10 = 5;
	expect_is("Namespace Management, select 5", admin(&sqe, NULL),
		  SC_FIELD);
	sqe.cdw10 = 0;
	expect_is("Create without room", admin(&sqe, NULL), SC_NS_CAPACITY);
	memset(page, 0, 16);
	expect(admin(&sqe, NULL), "a namespace without blocks is created");
	page[26] = 9;
	memcpy(page, &one, 8);
	memcpy(page + 8, &one, 8);
	expect_is("Create in format 9", admin(&sqe, NULL), SC_FORMAT);
	sqe.cdw10 = 1;
	sqe.nsid = 3;
	expect_is("Delete of none", admin(&sqe, NULL), SC_FIELD);
	sqe.nsid = nr_ns + 1;
	expect_is("Delete above NN", admin(&sqe, NULL), SC_NS);

	memset(page, 0, RAW_PAGE);
	page[0] = 1;
	sqe = (struct raw_sqe){ .opcode = A_NS_ATTACH, .nsid = 1,
				.prp1 = raw_addr(page) };
	expect_is("Attach twice", admin(&sqe, NULL), SC_NS_ATTACHED);
	sqe.nsid = nr_ns + 1;
	expect_is("Attach above NN", admin(&sqe, NULL), SC_NS);
	sqe.nsid = 1;
	page[2] = 9;
	expect_is("Attach to another controller", admin(&sqe, NULL),
		  SC_CTRL_LIST);
	same_storage(true);
}

/* Detached, a namespace's commands fail, and its data stay */
static void namespace_detached(void)
{
	struct raw_sqe sqe = { .opcode = A_NS_ATTACH, .nsid = 1, .cdw10 = 1,
			       .prp1 = raw_addr(page) };
	struct raw_sqe read = { .opcode = N_READ, .prp1 = raw_addr(window) };

	memset(page, 0, RAW_PAGE);
	page[0] = 1;
	expect_is("Detach", admin(&sqe, NULL), SC_OK);
	raw_lba(&read, 1, 0, 1);
	fill_window();
	refused_in(&sq, "a read of a detached namespace", &read, SC_FIELD);
	expect_window("a read of a detached namespace");
	memset(page, 0, RAW_PAGE);
	page[0] = 1;
	expect_is("Detach twice", admin(&sqe, NULL), SC_NS_NOT_ATTACHED);
	sqe.cdw10 = 0;
	expect_is("Attach", admin(&sqe, NULL), SC_OK);
	same_storage(true);
}

/* --- 4.3, PRPs -------------------------------------------------------------------- */

/* Every length and offset that differ in kind, the list anywhere in a page */
static void prp_forms(void)
{
	static const u32 offsets[] = { 0, 4, 8, 512, 2048, 3072, 4088, 4092 };
	static const u32 lengths[] = { 1, 2, 8, 9, 16, 17, 24, 64, 200 };
	static const u32 places[] = { 0, 1, 255, 505, 508, 509, 510, 511 };
	unsigned int o, l, p;

	for (l = 0; l < ARRAY_SIZE(lengths); l++)
		for (o = 0; o < ARRAY_SIZE(offsets); o++)
			for (p = 0; p < ARRAY_SIZE(places); p++) {
				u32 nlb = lengths[l] * 512 / lba_bytes;
				u32 bytes = nlb * lba_bytes, at = offsets[o];
				struct raw_sqe sqe = { .opcode = N_READ };
				u64 lba;

				if (!nlb || at + bytes > WINDOW_BYTES - 8)
					continue;
				/* Without a list it is the same */
				if (at + bytes <= 2 * RAW_PAGE && p)
					continue;
				lba = below(nr_lba - nlb + 1);
				memset(window, PATTERN, at + bytes + 4096);
				raw_lba(&sqe, 1, lba, nlb);
				raw_prps(&sqe, window_pages, at, bytes,
					 lists + places[p]);
				expect_is("a read", raw_sync(&sq, &sqe, NULL),
					  SC_OK);
				expect(!memcmp(window + at, storage_copy +
					       lba * lba_bytes, bytes),
				       "%u bytes at offset %u, list at %u: wrong data",
				       bytes, at, places[p]);
				expect(window[at + bytes] == PATTERN &&
				       (!at || window[at - 1] == PATTERN),
				       "%u bytes at offset %u: memory beside them was written",
				       bytes, at);
				/* And back again, from the same place */
				sqe.opcode = N_COMPARE;
				expect_is("a comparison",
					  raw_sync(&sq, &sqe, NULL), SC_OK);
				sqe.opcode = N_WRITE;
				expect_is("a write", raw_sync(&sq, &sqe, NULL),
					  SC_OK);
			}
	same_storage(true);
}

/* The largest transfer there is, and lists that go over several pages */
static void prp_largest(void)
{
	u8 *pages[513];
	struct raw_sqe sqe = { .opcode = N_READ };
	u32 i, bytes = max_nlb * lba_bytes;

	/* In an order of its own */
	for (i = 0; i < 512; i++)
		pages[i] = big + (i * 37 % 512) * RAW_PAGE;
	raw_lba(&sqe, 1, 1, max_nlb);
	raw_prps(&sqe, pages, 0, bytes, lists + 500);
	expect_is("a read", raw_sync(&sq, &sqe, NULL), SC_OK);
	for (i = 0; i < 512; i++)
		expect(!memcmp(pages[i], storage_copy + lba_bytes +
			       i * RAW_PAGE, RAW_PAGE),
		       "page %u of the largest transfer", i);
}

static void prp_refused(void)
{
	static const u8 ops[] = { N_READ, N_WRITE, N_COMPARE };
	unsigned int k, i, j;
	struct raw_sqe sqe;

	for (k = 0; k < ARRAY_SIZE(ops); k++) {
		struct raw_sqe good = { .opcode = ops[k] };
		u64 saved;

		raw_lba(&good, 1, 8, 16 * RAW_PAGE / lba_bytes);
		raw_prps(&good, window_pages, 0, 16 * RAW_PAGE, lists);
		for (i = 1; i < 4; i++) {
			sqe = good;
			sqe.prp1 += i;
			refused(&sq, "PRP1 not at a dword", &sqe,
				SC_PRP_OFFSET);
		}
		for (i = 1; i < 8; i += 3) {
			sqe = good;
			sqe.prp2 += i;
			refused(&sq, "a list not at a qword", &sqe,
				SC_PRP_OFFSET);
		}
		for (i = 0; i < 15; i += 7) {
			saved = lists[i];
			lists[i] |= 4;
			refused(&sq, "an entry not at a page", &good,
				SC_PRP_OFFSET);
			lists[i] = saved | 2048;
			refused(&sq, "an entry not at a page", &good,
				SC_PRP_OFFSET);
			for (j = 0; j < raw_nr_no_memory; j++) {
				lists[i] = raw_no_memory[j];
				refused(&sq, "an entry that is no memory",
					&good, SC_XFER);
			}
			lists[i] = saved;
		}
		for (j = 0; j < raw_nr_no_memory; j++) {
			sqe = good;
			sqe.prp1 = raw_no_memory[j];
			refused(&sq, "PRP1 that is no memory", &sqe, SC_XFER);
			sqe = good;
			sqe.prp2 = raw_no_memory[j];
			refused(&sq, "a list that is no memory", &sqe,
				SC_XFER);
		}
		/* A list that leads on, to where it must not */
		raw_prps(&good, window_pages, 0, 16 * RAW_PAGE, lists + 510);
		saved = lists[511];
		lists[511] = raw_no_memory[0];
		refused(&sq, "a list that leads to no memory", &good, SC_XFER);
		lists[511] = saved + 8;
		refused(&sq, "a list that leads into a page", &good,
			SC_PRP_OFFSET);
		lists[511] = saved + 2;
		refused(&sq, "a list that leads to no qword", &good,
			SC_PRP_OFFSET);
		/* Two pages: PRP2 is the second of them */
		raw_lba(&good, 1, 8, RAW_PAGE / lba_bytes);
		raw_prps(&good, window_pages, 512, RAW_PAGE, lists);
		sqe = good;
		sqe.prp2 += 4;
		refused(&sq, "a second page not at a page", &sqe,
			SC_PRP_OFFSET);
		sqe.prp2 = raw_no_memory[0];
		refused(&sq, "a second page that is no memory", &sqe,
			SC_XFER);
	}
}

/* --- 6, the NVM command set ------------------------------------------------------- */

static void nvm_refused(void)
{
	static const u8 ops[] = { N_READ, N_WRITE, N_COMPARE, N_ZEROES,
				  N_UNCOR, N_VERIFY };
	struct raw_sqe sqe;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		struct raw_sqe good = { .opcode = ops[i] };
		bool data = ops[i] <= N_READ || ops[i] == N_COMPARE;

		raw_lba(&good, 1, 0, 4);
		raw_prps(&good, window_pages, 0, 4 * lba_bytes, lists);
		sqe = good;
		sqe.nsid = 0;
		refused(&sq, "namespace 0", &sqe, SC_NS);
		sqe.nsid = nr_ns + 1;
		refused(&sq, "a namespace above NN", &sqe, SC_NS);
		sqe.nsid = NSID_ALL;
		refused(&sq, "all namespaces", &sqe, SC_NS);
		sqe.nsid = nr_ns;
		refused(&sq, "an inactive namespace", &sqe, SC_FIELD);
		sqe = good;
		raw_lba(&sqe, 1, nr_lba - 3, 4);
		refused(&sq, "one block behind the end", &sqe, SC_LBA_RANGE);
		raw_lba(&sqe, 1, nr_lba, 1);
		refused(&sq, "the block behind the last", &sqe, SC_LBA_RANGE);
		raw_lba(&sqe, 1, ~0ULL, 1);
		refused(&sq, "the last block of all", &sqe, SC_LBA_RANGE);
		raw_lba(&sqe, 1, ~0ULL - 1, 4);
		refused(&sq, "a range that wraps", &sqe, SC_LBA_RANGE);
		raw_lba(&sqe, 1, 1ULL << 55, 1);
		refused(&sq, "2^55 blocks on", &sqe, SC_LBA_RANGE);
		raw_lba(&sqe, 1, 1ULL << 32, 1);
		refused(&sq, "2^32 blocks on", &sqe, SC_LBA_RANGE);
		if (data && max_nlb < 65536) {
			raw_lba(&sqe, 1, 0, max_nlb + 1);
			refused(&sq, "more than MDTS", &sqe, SC_FIELD);
			raw_lba(&sqe, 1, 0, 65536);
			refused(&sq, "65536 blocks", &sqe, SC_FIELD);
		}
		sqe = good;
		sqe.flags = 0x40;
		refused(&sq, "an SGL", &sqe, SC_FIELD);
		sqe.flags = 0x80;
		refused(&sq, "an SGL with a segment", &sqe, SC_FIELD);
		sqe.flags = 3;
		refused(&sq, "FUSE 3", &sqe, SC_FIELD);
		sqe.flags = FUSE_SECOND;
		if (ops[i] == N_WRITE || ops[i] == N_COMPARE)
			refused(&sq, "a second without a first", &sqe,
				SC_FUSED_MISSING);
	}
	sqe = (struct raw_sqe){ .opcode = N_FLUSH, .nsid = nr_ns + 1 };
	refused(&sq, "Flush above NN", &sqe, SC_NS);
	sqe.nsid = 0;
	refused(&sq, "Flush of namespace 0", &sqe, SC_NS);
}

static void read_again(u64 lba, u32 nlb)
{
	u32 bytes = nlb * lba_bytes;

	fill_window();
	expect_is("a read", rw(N_READ, lba, nlb), SC_OK);
	expect(!memcmp(window, storage_copy + lba * lba_bytes, bytes),
	       "block %llu and on: wrong data", lba);
}

static void write_random(u64 lba, u32 nlb)
{
	u32 i;

	for (i = 0; i < nlb * lba_bytes; i++)
		window[i] = raw_random(&rnd) >> 24;
	memcpy(storage_copy + lba * lba_bytes, window, nlb * lba_bytes);
	expect_is("a write", rw(N_WRITE, lba, nlb), SC_OK);
}

static void nvm_data(void)
{
	struct raw_sqe sqe = { .opcode = N_FLUSH, .nsid = 1 };
	u32 i;

	for (i = 0; i < 60; i++) {
		u32 nlb = 1 + below(WINDOW_BYTES / lba_bytes / 2);
		u64 lba = below(nr_lba - nlb + 1);

		write_random(lba, nlb);
		read_again(lba, nlb);
		expect_is("Verify", rw(N_VERIFY, lba, nlb), SC_OK);
		expect_is("Compare", rw(N_COMPARE, lba, nlb), SC_OK);
		window[below(nlb * lba_bytes)] ^= 1U << below(8);
		expect_is("Compare of other data", rw(N_COMPARE, lba, nlb),
			  SC_COMPARE);
	}
	write_random(0, 1);
	write_random(nr_lba - 1, 1);
	expect_is("Flush", raw_sync(&sq, &sqe, NULL), SC_OK);
	sqe.nsid = NSID_ALL;
	expect_is("Flush of all", raw_sync(&sq, &sqe, NULL), SC_OK);
	same_storage(true);
}

static void write_zeroes(void)
{
	struct raw_sqe sqe = { .opcode = N_ZEROES };
	u32 i;

	for (i = 0; i < 20; i++) {
		u32 nlb = 1 + below(i == 19 ? 60000 : 100);
		u64 lba;

		if (nlb > nr_lba)
			nlb = nr_lba;
		lba = below(nr_lba - nlb + 1);
		raw_lba(&sqe, 1, lba, nlb);
		/* Deallocate */
		sqe.cdw12 |= (i & 1) << 25;
		expect_is("Write Zeroes", raw_sync(&sq, &sqe, NULL), SC_OK);
		memset(storage_copy + lba * lba_bytes, 0, nlb * lba_bytes);
	}
	same_storage(true);
	fill_storage();
}

static void dsm_range(unsigned int i, u32 cattr, u64 lba, u32 nlb)
{
	u8 *range = window + 16 * i;

	memcpy(range, &cattr, 4);
	memcpy(range + 4, &nlb, 4);
	memcpy(range + 8, &lba, 8);
}

static void dataset_management(void)
{
	struct raw_sqe sqe = { .opcode = N_DSM, .nsid = 1, .cdw10 = 255,
			       .cdw11 = 4, .prp1 = raw_addr(window) };
	unsigned int i;

	/* All 256 ranges, some without blocks */
	for (i = 0; i < 256; i++) {
		u32 nlb = below(9);
		u64 lba = below(nr_lba - nlb + 1);

		dsm_range(i, raw_random(&rnd), lba, nlb);
		memset(storage_copy + lba * lba_bytes, 0, nlb * lba_bytes);
	}
	expect_is("256 ranges", raw_sync(&sq, &sqe, NULL), SC_OK);
	same_storage(true);
	/* Hints alone change nothing */
	dsm_range(0, 3, 0, 100);
	sqe.cdw10 = 0;
	sqe.cdw11 = 3;
	expect_is("hints", raw_sync(&sq, &sqe, NULL), SC_OK);
	same_storage(true);
	/* Over two pages, PRP2 the second */
	memset(window, 0, 2 * RAW_PAGE);
	dsm_range(250, 0, 5, 3);
	memmove(window + 2048, window, RAW_PAGE);
	sqe.prp1 = raw_addr(window) + 2048;
	sqe.prp2 = raw_addr(window) + RAW_PAGE;
	sqe.cdw10 = 255;
	sqe.cdw11 = 4;
	memset(storage_copy + 5 * lba_bytes, 0, 3 * lba_bytes);
	expect_is("ranges over two pages", raw_sync(&sq, &sqe, NULL), SC_OK);
	same_storage(true);
	fill_storage();
}

static void dsm_refused(void)
{
	struct raw_sqe sqe = { .opcode = N_DSM, .nsid = 1, .cdw10 = 3,
			       .cdw11 = 4, .prp1 = raw_addr(window) };
	unsigned int i;

	/* The last of four is out of range: none is deallocated */
	for (i = 0; i < 4; i++)
		dsm_range(i, 0, i * 10, 5);
	dsm_range(3, 0, nr_lba - 1, 2);
	refused_in(&sq, "a range behind the end", &sqe, SC_LBA_RANGE);
	dsm_range(3, 0, ~0ULL, 2);
	refused_in(&sq, "a range that wraps", &sqe, SC_LBA_RANGE);
	dsm_range(3, 0, nr_lba, 1);
	refused_in(&sq, "the block behind the last", &sqe, SC_LBA_RANGE);
	same_storage(true);
	sqe.nsid = nr_ns + 1;
	refused(&sq, "a namespace above NN", &sqe, SC_NS);
	sqe.nsid = 1;
	sqe.prp1 = raw_no_memory[0];
	refused(&sq, "ranges in no memory", &sqe, SC_XFER);
	sqe.prp1 = raw_addr(window) + 2;
	refused(&sq, "ranges not at a dword", &sqe, SC_PRP_OFFSET);
}

static void write_uncorrectable(void)
{
	struct raw_sqe read = { .opcode = N_READ };

	raw_lba(&read, 1, 98, 8);
	raw_prps(&read, window_pages, 0, 8 * lba_bytes, lists);
	expect_is("Write Uncorrectable", rw(N_UNCOR, 100, 4), SC_OK);
	fill_window();
	refused_in(&sq, "a read of it", &read, SC_READ_ERROR);
	expect_window("a read that fails");
	expect_is("Verify", rw(N_VERIFY, 103, 1), SC_READ_ERROR);
	expect_is("Compare", rw(N_COMPARE, 100, 1), SC_READ_ERROR);
	read_again(98, 2);
	read_again(104, 4);
	/* Each kind of writing makes its blocks good again */
	write_random(100, 1);
	read_again(100, 1);
	expect_is("the rest", rw(N_READ, 101, 1), SC_READ_ERROR);
	expect_is("Write Zeroes", rw(N_ZEROES, 101, 1), SC_OK);
	memset(storage_copy + 101 * lba_bytes, 0, lba_bytes);
	read_again(100, 2);
	expect_is("the rest", rw(N_READ, 102, 2), SC_READ_ERROR);
	write_random(102, 2);
	same_storage(true);
	/* A reset does not help */
	expect_is("Write Uncorrectable", rw(N_UNCOR, 7, 1), SC_OK);
	expect(raw_disable() && raw_enable(), "no reset");
	create_io_queues();
	expect_is("after a reset", rw(N_READ, 7, 1), SC_READ_ERROR);
	write_random(7, 1);
	same_storage(true);
}

/* One right after the other, and both completions as they come */
static void submit_pair(const struct raw_sqe *first,
			const struct raw_sqe *second, struct raw_cqe *a,
			struct raw_cqe *b)
{
	raw_put(&sq, first);
	raw_put(&sq, second);
	raw_ring(&sq);
	raw_wait(&cq, a);
	raw_wait(&cq, b);
}

static void fused(void)
{
	u32 nlb = RAW_PAGE / lba_bytes;
	struct raw_sqe compare = { .opcode = N_COMPARE, .flags = FUSE_FIRST };
	struct raw_sqe write = { .opcode = N_WRITE, .flags = FUSE_SECOND };
	struct raw_cqe a, b;
	unsigned int i;

	raw_lba(&compare, 1, 3, nlb);
	raw_lba(&write, 1, 3, nlb);
	compare.prp1 = raw_addr(window);
	write.prp1 = raw_addr(window) + RAW_PAGE;
	memcpy(window, storage_copy + 3 * lba_bytes, RAW_PAGE);
	memset(window + RAW_PAGE, 0x77, RAW_PAGE);
	for (i = 0; i < 2; i++) {
		submit_pair(&compare, &write, &a, &b);
		/* The second time the comparison fails, and nothing is written */
		expect_is("Compare", raw_sc(&a), i ? SC_COMPARE : SC_OK);
		expect_is("Write", raw_sc(&b), i ? SC_FUSED_FAIL : SC_OK);
		if (!i)
			memset(storage_copy + 3 * lba_bytes, 0x77, RAW_PAGE);
		memset(window + RAW_PAGE, 0x88, RAW_PAGE);
	}
	same_storage(true);
	/* Not the same blocks */
	raw_lba(&write, 1, 4, nlb);
	memset(window, 0x77, RAW_PAGE);
	submit_pair(&compare, &write, &a, &b);
	expect_is("Compare of other blocks", raw_sc(&a), SC_FIELD);
	expect_is("Write of other blocks", raw_sc(&b), SC_FIELD);
	/* More than NACWU, 6.4 */
	raw_lba(&compare, 1, 3, 2 * nlb);
	raw_lba(&write, 1, 3, 2 * nlb);
	compare.prp2 = raw_addr(window) + RAW_PAGE;
	write.prp2 = raw_addr(window);
	submit_pair(&compare, &write, &a, &b);
	expect_is("Compare of too much", raw_sc(&a), SC_ATOMIC_UNIT);
	expect_is("Write of too much", raw_sc(&b), SC_ATOMIC_UNIT);
	compare.prp2 = 0;
	write.prp2 = 0;
	raw_lba(&compare, 1, 3, nlb);
	/* A first whose next entry is no second: both end, the next as it would */
	write.flags = 0;
	raw_lba(&write, 1, 3, nlb);
	memset(window + RAW_PAGE, 0x77, RAW_PAGE);
	submit_pair(&compare, &write, &a, &b);
	if (a.cid > b.cid) {
		struct raw_cqe c = a;

		a = b;
		b = c;
	}
	expect_is("a first without a second", raw_sc(&a), SC_FUSED_MISSING);
	expect_is("the next", raw_sc(&b), SC_OK);
	same_storage(true);
}

/* 4.1.1: the entry can be used again once the head has moved */
static void entry_reused(void)
{
	struct raw_sqe sqe = { .opcode = N_WRITE };
	struct raw_cqe cqe;
	struct raw_sq s;
	unsigned int i;

	raw_sq_init(&s, 2, 2, &cq);
	expect_is("Create SQ", raw_create_sq(&s), SC_OK);
	raw_latency_us(50000);
	for (i = 0; i < 4; i++) {
		u8 *data = window + i * RAW_PAGE;

		memset(data, 0x30 + i, lba_bytes);
		memset(storage_copy + i * lba_bytes, 0x30 + i, lba_bytes);
		raw_lba(&sqe, 1, i, 1);
		sqe.prp1 = raw_addr(data);
		raw_put(&s, &sqe);
		raw_ring(&s);
		expect_is("a write", raw_wait(&cq, &cqe), SC_OK);
		memset(s.ring, 0xff, 2 * 64);
	}
	raw_latency_us(0);
	same_storage(true);
}

/* --- TP4065, Copy -------------------------------------------------------------- */

static void copy_range(unsigned int i, u64 lba, u32 nlb)
{
	u8 *range = window + 32 * i;

	memset(range, 0, 32);
	memcpy(range + 8, &lba, 8);
	range[16] = nlb - 1;
	range[17] = (nlb - 1) >> 8;
}

static bool copy_is_offered(void)
{
	expect_is("Identify", raw_identify(1, 0, page), SC_OK);
	return page[521] & 1;
}

static void copy_data(void)
{
	struct raw_sqe sqe = { .opcode = N_COPY, .nsid = 1,
			       .prp1 = raw_addr(window) };
	unsigned int round, i, nr;

	if (!copy_is_offered())
		not_offered();
	for (round = 0; round < 20; round++) {
		u64 to = nr_lba / 2 + below(nr_lba / 4), at = to;

		nr = 1 + below(8);
		for (i = 0; i < nr; i++) {
			u32 nlb = 1 + below(40);
			u64 from = below(nr_lba / 2 - nlb);

			copy_range(i, from, nlb);
			memcpy(storage_copy + at * lba_bytes,
			       storage_copy + from * lba_bytes,
			       nlb * lba_bytes);
			at += nlb;
		}
		sqe.cdw10 = to;
		sqe.cdw12 = nr - 1;
		expect_is("Copy", raw_sync(&sq, &sqe, NULL), SC_OK);
	}
	same_storage(true);
}

static void copy_refused(void)
{
	struct raw_sqe good = { .opcode = N_COPY, .nsid = 1, .cdw10 = 500,
				.cdw12 = 1, .prp1 = raw_addr(window) }, sqe;
	u32 mssrl, mcl, msrc;

	if (!copy_is_offered())
		not_offered();
	expect_is("Identify", raw_identify(0, 1, page), SC_OK);
	mssrl = get16(page + 74);
	mcl = get32(page + 76);
	msrc = page[80] + 1;
	expect(mssrl && mcl >= mssrl, "MSSRL %u, MCL %u", mssrl, mcl);
	copy_range(0, 0, 4);
	copy_range(1, nr_lba - 1, 2);
	refused_in(&sq, "a source behind the end", &good, SC_LBA_RANGE);
	copy_range(1, ~0ULL, 2);
	refused_in(&sq, "a source that wraps", &good, SC_LBA_RANGE);
	copy_range(1, 10, 4);
	sqe = good;
	sqe.cdw10 = nr_lba - 7;
	refused_in(&sq, "a destination behind the end", &sqe, SC_LBA_RANGE);
	sqe = good;
	sqe.cdw12 |= 1 << 8;
	refused_in(&sq, "descriptor format 1", &sqe, SC_FIELD);
	if (msrc < 256) {
		sqe.cdw12 = msrc;
		refused_in(&sq, "more ranges than MSRC", &sqe, SC_COPY_LIMIT);
	}
	if (mssrl < 65535 && mssrl < nr_lba) {
		copy_range(1, 0, mssrl + 1);
		refused_in(&sq, "a range longer than MSSRL", &good,
			   SC_COPY_LIMIT);
		copy_range(1, 10, 4);
	}
	sqe = good;
	sqe.nsid = nr_ns + 1;
	refused_in(&sq, "a namespace above NN", &sqe, SC_NS);
	sqe = good;
	sqe.prp1 = raw_no_memory[0];
	refused_in(&sq, "ranges in no memory", &sqe, SC_XFER);
	/* The second source cannot be read: nothing of the first is copied */
	expect_is("Write Uncorrectable", rw(N_UNCOR, 12, 1), SC_OK);
	refused_in(&sq, "a source that cannot be read", &good,
		   SC_READ_ERROR);
	write_random(12, 1);
	same_storage(true);
}

/* --- 5.24, Sanitize, and 5.8, Device Self-test ---------------------------------- */

static void expect_erased(u8 value)
{
	u64 lba, n, i;

	for (lba = 0; lba < nr_lba; lba += n) {
		n = nr_lba - lba < max_nlb ? nr_lba - lba : max_nlb;
		big_io(N_READ, lba, n);
		for (i = 0; i < n * lba_bytes; i++)
			expect(big[i] == value, "block %llu has byte %#x",
			       lba + i / lba_bytes, big[i]);
	}
}

static void wait_sanitized(u16 passes)
{
	u64 end = raw_now_ns() + 20 * RAW_S;

	do {
		expect(raw_now_ns() < end, "Sanitize does not end");
		expect_is("Sanitize Status log", raw_get_log(0x81, page, 512),
			  SC_OK);
	} while ((page[2] & 7) == 2);
	expect_is("Sanitize Status", page[2] & 7, 1);
	expect_is("passes of overwrite", get16(page + 2) >> 3 & 0x1f, passes);
	expect_is("progress", get16(page), 0xffff);
}

static void sanitize(void)
{
	struct raw_sqe sqe = { .opcode = A_SANITIZE, .cdw10 = 2 };
	u32 sanicap;

	expect_is("Identify", raw_identify(1, 0, page), SC_OK);
	sanicap = get32(page + 328);
	if (!(sanicap & 6))
		not_offered();
	if (sanicap & 2) {
		expect_is("block erase", admin(&sqe, NULL), SC_OK);
		wait_sanitized(0);
		expect_erased(0);
		fill_storage();
	}
	if (sanicap & 4) {
		/* Two passes, inverted between them, not deallocated */
		sqe.cdw10 = 3 | 2 << 4 | 1 << 8 | 1 << 9;
		sqe.cdw11 = 0x5c5c5c5c;
		expect_is("overwrite", admin(&sqe, NULL), SC_OK);
		wait_sanitized(2);
		expect_erased(0x5c);
		fill_storage();
	}
	sqe.cdw10 = 0;
	refused(&raw_asq, "action 0", &sqe, SC_FIELD);
	sqe.cdw10 = 7;
	refused(&raw_asq, "action 7", &sqe, SC_FIELD);
}

static void self_test(void)
{
	struct raw_sqe sqe = { .opcode = A_SELF_TEST, .nsid = 1,
			       .cdw10 = 1 };
	u64 end = raw_now_ns() + 60 * RAW_S;

	expect_is("Identify", raw_identify(1, 0, page), SC_OK);
	if (!(get16(page + 256) & 1 << 4))
		not_offered();
	expect_is("a short one", admin(&sqe, NULL), SC_OK);
	expect_is("log", raw_get_log(6, page, 564), SC_OK);
	expect_is("what goes on", page[0] & 0xf, 1);
	refused_in(&raw_asq, "another beside it", &sqe, SC_SELF_TESTING);
	do {
		expect(raw_now_ns() < end, "it does not end");
		wait_ns(100 * RAW_MS);
		expect_is("log", raw_get_log(6, page, 564), SC_OK);
	} while (page[0] & 0xf);
	/* The newest result: a short one, without an error */
	expect_is("result", page[4], 0x10);
	/* A long one, aborted */
	sqe.cdw10 = 2;
	expect_is("a long one", admin(&sqe, NULL), SC_OK);
	sqe.cdw10 = 0xf;
	expect_is("its abort", admin(&sqe, NULL), SC_OK);
	expect_is("log", raw_get_log(6, page, 564), SC_OK);
	expect_is("result", page[4], 0x21);
	sqe.cdw10 = 7;
	refused(&raw_asq, "code 7", &sqe, SC_FIELD);
	same_storage(true);
}

/* --- 5.7, Doorbell Buffer Config, where it is offered ---------------------------- */

static void doorbell_buffers(void)
{
	u32 *shadow = raw_alloc(RAW_PAGE), *event = raw_alloc(RAW_PAGE), i;
	struct raw_sqe sqe = { .opcode = A_DBBUF, .prp1 = raw_addr(shadow),
			       .prp2 = raw_addr(event) };
	struct raw_sqe read = { .opcode = N_READ, .prp1 = raw_addr(window) };
	u32 rung = 0;

	expect_is("Identify", raw_identify(1, 0, page), SC_OK);
	if (!(get16(page + 256) & 1 << 8))
		not_offered();
	shadow[2] = sq.tail;
	shadow[3] = cq.head;
	expect_is("Doorbell Buffer Config", raw_use_shadows(shadow, event),
		  SC_OK);
	raw_lba(&read, 1, 0, 1);
	for (i = 0; i < 3 * QUEUE_SIZE; i++) {
		struct raw_cqe cqe;

		raw_put(&sq, &read);
		rung += raw_ring(&sq);
		expect_is("a read", raw_wait(&cq, &cqe), SC_OK);
	}
	if (!raw_native)
		printf("figure: with doorbell buffers %u of %u commands wrote to the BAR\n",
		       rung, i);
	sqe.prp1 += 8;
	refused_in(&raw_asq, "a buffer not at a page", &sqe, SC_FIELD);
	/* A reset goes back to the doorbells */
	expect(raw_disable() && raw_enable(), "no reset");
	create_io_queues();
	same_storage(true);
}

/* --- nothing but what it is about reaches the host ------------------------------ */

static bool in_kernel(const struct raw_sqe *sqe, const u8 *answer, u32 i)
{
	u64 value = get64(answer + i);

	/* An error log entry has all ones there for "not a certain field" */
	if (i % 8 || (sqe->opcode == A_GET_LOG && (sqe->cdw10 & 0xff) == 1 &&
		      i % 64 == 8))
		return false;
	/* x86: the upper half, but for small negative numbers */
	return value >> 47 == 0x1ffff && value < ~0ULL - RAW_PAGE;
}

/* What SLUB and the page allocator leave, and tests/uspace/harness.c */
static bool is_poison(const u8 *buf)
{
	static const u8 poisons[] = { 0x5a, 0x6b, 0xa5, 0xaa, 0xbb, 0xcc };
	u32 i, k;

	for (i = 0; i < sizeof(poisons); i++) {
		for (k = 0; k < 8 && buf[k] == poisons[i]; k++)
			;
		if (k == 8)
			return true;
	}
	return false;
}

/* The answer to a command, twice: into zeroes, and into ones */
static bool fresh(struct raw_sqe *sqe, u8 *zeroes, u8 *ones)
{
	u32 i, end = RAW_PAGE;
	int status;

	memset(zeroes, 0, 2 * RAW_PAGE);
	memset(ones, 0xff, 2 * RAW_PAGE);
	sqe->prp1 = raw_addr(zeroes);
	status = admin(sqe, NULL);
	sqe->prp1 = raw_addr(ones);
	expect_is("the same again", admin(sqe, NULL), status);
	while (end && !zeroes[end - 1] && ones[end - 1] == 0xff)
		end--;
	expect(!status || !end, "opcode %#x, cdw10 %#x is refused and writes %u bytes",
	       sqe->opcode, sqe->cdw10, end);
	for (i = 0; i < end; i++)
		expect(zeroes[i] || ones[i] != 0xff,
		       "opcode %#x, cdw10 %#x leaves out byte %u of %u",
		       sqe->opcode, sqe->cdw10, i, end);
	for (i = 0; i + 8 <= end; i++)
		expect(!is_poison(zeroes + i) && !in_kernel(sqe, zeroes, i),
		       "opcode %#x, cdw10 %#x, NSID %#x: byte %u of %u begins %016llx, which is the kernel's",
		       sqe->opcode, sqe->cdw10, sqe->nsid, i, end,
		       get64(zeroes + i));
	for (i = RAW_PAGE; i < 2 * RAW_PAGE; i++)
		expect(!zeroes[i] && ones[i] == 0xff,
		       "opcode %#x, cdw10 %#x writes behind a page",
		       sqe->opcode, sqe->cdw10);
	return !status && end;
}

static void nothing_stale(void)
{
	static const u32 nsids[] = { 0, 1, 2, NSID_ALL };
	u8 *zeroes = raw_alloc(2 * RAW_PAGE), *ones = raw_alloc(2 * RAW_PAGE);
	u32 i, n, answers[3] = { };

	for (n = 0; n < ARRAY_SIZE(nsids); n++)
		for (i = 0; i < 1024; i++) {
			struct raw_sqe sqe = { .nsid = nsids[n], .cdw10 = i };

			sqe.opcode = A_GET_FEATURES;
			answers[0] += fresh(&sqe, zeroes, ones);
			if (i >= 256)
				continue;
			sqe.opcode = A_IDENTIFY;
			answers[1] += fresh(&sqe, zeroes, ones);
			sqe.opcode = A_GET_LOG;
			sqe.cdw10 |= (RAW_PAGE / 4 - 1) << 16;
			answers[2] += fresh(&sqe, zeroes, ones);
		}
	for (i = 0; i < ARRAY_SIZE(answers); i++)
		expect(answers[i], "no answer of kind %u", i);
}

/* --- running them ----------------------------------------------------------------- */

static const struct {
	const char *section;
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "3.1.1, 3.1.2", "CAP and VS by 4 and 8 bytes", reg_cap },
	{ "3.1", "read-only and absent registers stay", reg_read_only },
	{ "3.1.3, 3.1.4", "INTMS and INTMC", reg_interrupt_mask },
	{ "3.1.5, 7.3.2", "registers after a controller reset", reg_reset_keeps },
	{ "3.1.9, 3.1.10", "ASQ and ACQ in halves, odd sizes", reg_admin_halves },
	{ "3.1.5, 3.1.6", "RDY follows EN in time", reg_ready_in_time },
	{ "3.1.5", "CC that is not offered: CFS", reg_cc_refused },
	{ "3.1.8", "AQA that is too small: CFS", reg_aqa_refused },
	{ "3.1.9, 3.1.10", "ASQ and ACQ that are no memory: CFS", reg_asq_refused },
	{ "7.6.2", "normal shutdown", reg_shutdown_normal },
	{ "7.6.2", "abrupt shutdown", reg_shutdown_abrupt },
	{ "3.1.7, 7.3.1", "NVM subsystem reset", reg_subsystem_reset },
	{ "5.2", "doorbell of no queue", doorbell_unused },
	{ "4.1, 5.2", "a tail that cannot be", doorbell_tail },
	{ "4.1, 5.2", "a head that cannot be", doorbell_head },
	{ "5.2", "doorbell beyond all queues", doorbell_beyond },
	{ "3.1", "what is reserved", reg_reserved },
	{ "PCI", "Bus Master Enable", bus_master_off },
	{ "5.3", "Create I/O CQ, refused", create_cq_refused },
	{ "5.4", "Create I/O SQ, refused", create_sq_refused },
	{ "5.5, 5.6", "Delete, refused, and its order", delete_refused },
	{ "3.1.5", "entry sizes, refused", entry_sizes_refused },
	{ "4.1", "several SQs on one CQ, SQ Head", many_sqs_one_cq },
	{ "4.1.3", "sizes of queues, phase", queue_sizes },
	{ "4.1.2.1", "a full CQ is not overrun", cq_never_overrun },
	{ "5.6", "Delete with commands in flight", delete_in_flight },
	{ "4.13", "round robin with bursts", round_robin },
	{ "4.13.2", "weighted round robin", weighted_round_robin },
	{ "4.13.2", "an urgent queue that is stuck", urgent_queue_stuck },
	{ "5.15.2.2", "Identify, controller", identify_ctrl },
	{ "5.15.2.1", "Identify, namespace", identify_ns },
	{ "5.15.2", "Identify, lists", identify_lists },
	{ "5.15.2.3", "Identify, descriptors", identify_descriptors },
	{ "5.15", "Identify, refused", identify_refused },
	{ "5.14", "Get Log Page, every part", log_parts },
	{ "5.14", "Get Log Page, refused", log_refused },
	{ "5.14.1.2", "SMART counts", log_smart },
	{ "5.14.1.5", "opcodes that are not supported", unsupported_opcodes },
	{ "5.21.1", "features, set and read", features_values },
	{ "5.9, 5.21", "features, refused", features_refused },
	{ "5.21.1.7", "Number of Queues", features_num_queues },
	{ "5.21.1.14", "Timestamp and Host Identifier", features_data },
	{ "5.2", "asynchronous event limit", aer_limit },
	{ "5.2", "temperature event, masked until its log is read", aer_temperature },
	{ "5.1", "Abort", abort_waiting },
	{ "5.23", "Format, refused", format_refused },
	{ "5.23", "Format erases", format_erases },
	{ "5.19, 5.20", "namespaces, refused", namespaces_refused },
	{ "5.19", "detached namespace", namespace_detached },
	{ "4.3", "PRPs, every form", prp_forms },
	{ "4.3", "PRPs, the largest transfer", prp_largest },
	{ "4.3", "PRPs, refused", prp_refused },
	{ "6", "NVM commands, refused", nvm_refused },
	{ "6.6, 6.8, 6.9, 6.14, 6.15", "data", nvm_data },
	{ "6.17", "Write Zeroes", write_zeroes },
	{ "6.7", "Dataset Management", dataset_management },
	{ "6.7", "Dataset Management, refused", dsm_refused },
	{ "6.16", "Write Uncorrectable", write_uncorrectable },
	{ "TP4065", "Copy", copy_data },
	{ "TP4065", "Copy, refused", copy_refused },
	{ "5.24", "Sanitize", sanitize },
	{ "5.8", "Device Self-test", self_test },
	{ "5.7, 7.13", "doorbell buffers", doorbell_buffers },
	{ "5.14, 5.15, 5.21", "nothing stale in what is read", nothing_stale },
	{ "4.12, 6.2", "fused Compare and Write", fused },
	{ "4.1.1", "an entry can be used again at once", entry_reused },
};

static void set_up(void)
{
	u32 i;

	raw_need(raw_disable());
	raw_need(raw_enable());
	raw_need(!raw_identify(1, 0, page));
	max_nlb = RAW_PAGE << page[77];
	nr_ns = get32(page + 516);
	raw_need(!raw_identify(0, 1, page));
	nr_lba = get64(page);
	lba_bytes = 1U << page[128 + 4 * (page[26] & 0xf) + 2];
	max_nlb /= lba_bytes;
	storage_bytes = nr_lba * lba_bytes;
	max_entries = (raw_read64(R_CAP) & 0xffff) + 1;
	raw_need(!feature(A_GET_FEATURES, 7, 0, &i));
	max_qid = (i & 0xffff) + 1;
	storage_copy = malloc(storage_bytes);
	raw_need(storage_copy && max_nlb * lba_bytes <= RAW_HUGE);
	create_io_queues();
	fill_storage();
}

static bool wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc == 1;
}

static bool is_in_a_name(const char *word)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (strstr(cases[i].name, word))
			return true;
	return false;
}

static void run_case(unsigned int i)
{
	/* Changed nowhere between setjmp() and longjmp() */
	case_name = cases[i].name;
	case_section = cases[i].section;
	switch (setjmp(case_failed)) {
	case 0:
		break;
	case 2:
		nr_left_out++;
		return;
	default:
		nr_failed++;
		/* What it has left behind shall not fail the next as well */
		raw_latency_us(0);
		raw_set_dma(true);
		raw_release(case_mark);
		if (raw_disable() && raw_enable() && !setjmp(case_failed)) {
			create_io_queues();
			fill_storage();
		}
		return;
	}
	raw_release(case_mark);
	raw_latency_us(0);
	expect(raw_disable(), "not disabled");
	expect(raw_enable(), "not enabled");
	create_io_queues();
	fill_window();
	cases[i].run();
	printf("ok %s (%s)\n", case_name, case_section);
}

int main(int argc, char **argv)
{
	struct raw_options options = {
		.mem_bytes = 16U << 20, .lba_shift = 9,
		.storage_bytes = 6U << 20, .dbbuf = true,
	};
	static unsigned int i, nr;
	int word;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (word = 1; word < argc; word++) {
		if (is_in_a_name(argv[word]))
			continue;
		fprintf(stderr, "no case has \"%s\" in its name\n", argv[word]);
		return 2;
	}
	raw_open(&options);
	page = raw_alloc(RAW_PAGE);
	window = raw_alloc(WINDOW_BYTES);
	for (i = 0; i < WINDOW_BYTES / RAW_PAGE; i++)
		window_pages[i] = window + i * RAW_PAGE;
	lists = raw_alloc(4 * RAW_PAGE);
	big = raw_alloc(RAW_HUGE);
	case_mark = raw_mark();
	case_name = "set-up";
	case_section = "";
	if (setjmp(case_failed))
		return 1;
	set_up();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!wanted(cases[i].name, argc, argv))
			continue;
		run_case(i);
		nr++;
	}
	raw_close();
	printf("%u cases, %u checks, %u commands refused as they must be, %u cases failed, %u left out\n",
	       nr - nr_left_out, nr_checks, nr_refused, nr_failed, nr_left_out);
	return nr_failed ? 1 : 0;
}
