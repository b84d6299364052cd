// SPDX-License-Identifier: GPL-2.0
/*
 * The controller's registers (NVMe 1.4, 3.1), enable, reset and shutdown, and
 * the controller thread, which watches them and serves the admin queue.
 *
 * The registers are plain memory that the host maps as the BAR: nothing traps.
 * The thread looks at them, acts on what has changed, and puts read-only
 * fields back. All functions run in that thread unless they say otherwise.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "nvmev.h"

/* CAP.TO, in units of 500 ms: enabling takes well under a second */
#define NVMEV_CAP_TO		20

/* Sleep between two looks: short while there is work, longer when idle */
#define NVMEV_CTRL_BUSY_NS	(20 * NSEC_PER_USEC)
#define NVMEV_CTRL_IDLE_NS	(2 * NSEC_PER_MSEC)
#define NVMEV_CTRL_IDLE_SHIFT	4

/* Unused registers looked at in one go, of some 8000 */
#define NVMEV_UNUSED_LOOKS	64

/* Admin commands executed before the registers are looked at again */
#define NVMEV_ADMIN_BURST	8

static u32 nvmev_reg_read32(struct nvmev_dev *dev, unsigned int reg)
{
	return le32_to_cpu(READ_ONCE(*(__le32 *)(dev->bar + reg)));
}

static u64 nvmev_reg_read64(struct nvmev_dev *dev, unsigned int reg)
{
	return nvmev_reg_read32(dev, reg) |
	       (u64)nvmev_reg_read32(dev, reg + 4) << 32;
}

static void nvmev_reg_write32(struct nvmev_dev *dev, unsigned int reg, u32 val)
{
	WRITE_ONCE(*(__le32 *)(dev->bar + reg), cpu_to_le32(val));
}

/*
 * Puts a register back that the host has written to. What it writes in this
 * moment must not be lost: it is seen the next time.
 */
static void nvmev_reg_put_back32(struct nvmev_dev *dev, unsigned int reg,
				 u32 old, u32 val)
{
	cmpxchg((__le32 *)(dev->bar + reg), cpu_to_le32(old),
		cpu_to_le32(val));
}

static void nvmev_reg_keep32(struct nvmev_dev *dev, unsigned int reg, u32 val)
{
	u32 old = nvmev_reg_read32(dev, reg);

	if (unlikely(old != val))
		nvmev_reg_put_back32(dev, reg, old, val);
}

/*
 * What reads as 0 in a controller without the feature: a reserved register,
 * then those of the controller memory buffer, the boot partitions and the
 * persistent memory region. A driver that found something there would use it.
 */
static void nvmev_ctrl_keep_absent(struct nvmev_dev *dev)
{
	static const u16 ranges[][2] = {
		{ 0x18, NVME_REG_CSTS },
		{ NVME_REG_CMBLOC, NVME_REG_CMB_END },
		{ NVME_REG_PMRCAP, NVME_REG_PMR_END },
	};
	unsigned int i, reg;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		for (reg = ranges[i][0]; reg < ranges[i][1]; reg += 4)
			nvmev_reg_keep32(dev, reg, 0);
}

static u64 nvmev_ctrl_cap(struct nvmev_dev *dev)
{
	return FIELD_PREP(NVME_CAP_MQES, dev->config.queue_depth - 1) |
	       NVME_CAP_CQR | NVME_CAP_AMS_WRR | FIELD_PREP(NVME_CAP_TO, NVMEV_CAP_TO) |
	       NVME_CAP_NSSRS | NVME_CAP_CSS_NVM;
}

/**
 * nvmev_doorbell() - where the doorbell of a queue is
 * @dev: the device
 * @qid: the queue
 * @cq: a completion queue's head, else a submission queue's tail
 *
 * CAP.DSTRD is 0 (3.1.16, 3.1.17).
 */
__le32 *nvmev_doorbell(struct nvmev_dev *dev, u16 qid, bool cq)
{
	return (__le32 *)(dev->bar + NVMEV_BAR_DOORBELLS) + 2 * qid + cq;
}

/**
 * nvmev_ctrl_event() - tell the controller thread of something
 * @dev: the device
 * @event: what
 *
 * Context: any.
 */
void nvmev_ctrl_event(struct nvmev_dev *dev, enum nvmev_event event)
{
	set_bit(event, &dev->events);
}

/**
 * nvmev_ctrl_fatal() - memory of a queue is gone while it is in use
 * @dev: the device
 * @qid: the queue
 * @what: what of it was there
 *
 * Controller Fatal Status, 3.1.6 and 9.5: the host is to reset the controller.
 *
 * Context: the owner of the queue.
 */
void nvmev_ctrl_fatal(struct nvmev_dev *dev, u16 qid, const char *what)
{
	pr_warn_ratelimited("%scontroller fatal status until its reset: the memory of the %s of queue %u is gone\n",
			    dev->config.label, what, qid);
	nvmev_ctrl_event(dev, NVMEV_EVENT_FATAL);
}

/* --- enable, disable, shutdown ------------------------------------------ */

static void nvmev_ctrl_set_csts(struct nvmev_dev *dev, u32 csts)
{
	dev->csts = csts;
	nvmev_reg_write32(dev, NVME_REG_CSTS, csts);
}

/**
 * nvmev_ctrl_delete_sq() - take a submission queue from its worker and free it
 * @dev: the device
 * @qid: the queue, which exists
 *
 * Context: the controller thread, sleeps.
 */
void nvmev_ctrl_delete_sq(struct nvmev_dev *dev, u16 qid)
{
	struct nvmev_sq *sq = dev->sqs[qid];

	mutex_lock(&dev->queues_lock);
	nvmev_worker_del_sq(sq);
	dev->sqs[qid] = NULL;
	mutex_unlock(&dev->queues_lock);
	nvmev_sq_destroy(sq);
	WRITE_ONCE(*nvmev_doorbell(dev, qid, false), 0);
}

/**
 * nvmev_ctrl_delete_cq() - take a completion queue from its worker and free it
 * @dev: the device
 * @qid: the queue, which exists and in which no submission queue completes
 *
 * Context: the controller thread, sleeps.
 */
void nvmev_ctrl_delete_cq(struct nvmev_dev *dev, u16 qid)
{
	nvmev_worker_del_cq(dev->cqs[qid]);
	nvmev_cq_destroy(dev->cqs[qid]);
	dev->cqs[qid] = NULL;
	WRITE_ONCE(*nvmev_doorbell(dev, qid, true), 0);
}

/*
 * Takes every queue from its worker and frees it. Idempotent; afterwards no
 * thread touches the host's memory. The order is the reverse of creation.
 */
static void nvmev_ctrl_disable(struct nvmev_dev *dev)
{
	unsigned int qid, i;

	for (qid = 1; qid <= NVMEV_MAX_QUEUES; qid++) {
		if (dev->sqs[qid])
			nvmev_ctrl_delete_sq(dev, qid);
	}
	for (qid = 1; qid <= NVMEV_MAX_QUEUES; qid++) {
		if (dev->cqs[qid])
			nvmev_ctrl_delete_cq(dev, qid);
	}
	nvmev_sq_destroy(dev->admin.sq);
	dev->admin.sq = NULL;
	nvmev_cq_destroy(dev->admin.cq);
	dev->admin.cq = NULL;
	/* What a worker saw just before is nothing to tell the next host of */
	clear_bit(NVMEV_EVENT_BAD_DOORBELL_VALUE, &dev->events);
	clear_bit(NVMEV_EVENT_FATAL, &dev->events);
	nvmev_admin_reset(dev);
	nvmev_timing_reset(&dev->timing);
	for (i = 0; i < NVMEV_MAX_NS; i++)
		dev->ns[i].write_due_ns = 0;
	dev->enabled = false;
}

/* CC as the host must have set it before EN, 3.1.5 */
static const char *nvmev_ctrl_check_cc(u32 cc)
{
	if (FIELD_GET(NVME_CC_CSS, cc))
		return "CC.CSS: only the NVM command set is there";
	if (FIELD_GET(NVME_CC_MPS, cc))
		return "CC.MPS: only 4 KiB pages are supported";
	if (FIELD_GET(NVME_CC_AMS, cc) > NVME_CC_AMS_WRR)
		return "CC.AMS: only round robin, weighted or not, is supported";
	return NULL;
}

static int nvmev_ctrl_enable(struct nvmev_dev *dev, u32 cc)
{
	/* The host writes these in halves: only now are they whole */
	u32 aqa = nvmev_reg_read32(dev, NVME_REG_AQA);
	u64 asq = nvmev_reg_read64(dev, NVME_REG_ASQ);
	u64 acq = nvmev_reg_read64(dev, NVME_REG_ACQ);
	u32 asqs = FIELD_GET(NVME_AQA_ASQS, aqa) + 1;
	u32 acqs = FIELD_GET(NVME_AQA_ACQS, aqa) + 1;
	const char *wrong = nvmev_ctrl_check_cc(cc);
	int err;

	dev->tried = (struct nvmev_enable){
		.cc = cc, .aqa = aqa, .asq = asq, .acq = acq,
	};
	if (!wrong && (asqs < 2 || acqs < 2))
		wrong = "AQA: an admin queue has at least 2 entries";
	if (!wrong && ((asq | acq) & ~NVME_PAGE_MASK))
		wrong = "ASQ or ACQ: not aligned to a page";
	if (wrong) {
		pr_warn_ratelimited("%scontroller not enabled: %s\n",
				    dev->config.label, wrong);
		return -EINVAL;
	}

	memset(dev->bar + NVMEV_BAR_DOORBELLS, 0,
	       2 * (NVMEV_MAX_QUEUES + 1) * sizeof(__le32));
	dev->admin.cq = nvmev_cq_create(dev, 0, acq, acqs, &err);
	if (!dev->admin.cq)
		goto fail;
	dev->admin.cq->irq = true;
	WRITE_ONCE(dev->wrr, FIELD_GET(NVME_CC_AMS, cc) == NVME_CC_AMS_WRR);
	dev->admin.sq = nvmev_sq_create(dev, 0, asq, asqs, dev->admin.cq,
					&err);
	if (!dev->admin.sq)
		goto fail;
	dev->enabled = true;
	return 0;

fail:
	pr_warn_ratelimited("%scontroller not enabled: admin queue at %#llx and %#llx: error %d\n",
			    dev->config.label, asq, acq, err);
	nvmev_ctrl_disable(dev);
	if (err == -ENOMEM)
		dev->tried.again_ns = nvmev_clock_ns() + NVMEV_CTRL_IDLE_NS;
	return err;
}

/*
 * A host that clears EN waits for RDY to read 0. Of a controller that could not be
 * enabled it does already, so that the host may have set EN again before anybody has
 * looked. That has happened where it is to be enabled with something else, which a
 * host changes only while EN is 0 (3.1.8 to 3.1.10). For want of memory the same may
 * do, too.
 */
static bool nvmev_ctrl_enabled_anew(struct nvmev_dev *dev, u32 cc)
{
	const struct nvmev_enable *tried = &dev->tried;

	/* Shutdown is asked for while EN is set, and only a reset takes that back */
	if (!(cc & dev->cc & NVME_CC_EN) || FIELD_GET(NVME_CC_SHN, cc) ||
	    (dev->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) != NVME_CSTS_CFS)
		return false;
	return (tried->again_ns && nvmev_clock_ns() > tried->again_ns) ||
	       FIELD_GET(NVME_CC_SHN, dev->cc) ||
	       (cc ^ tried->cc) & ~NVME_CC_SHN ||
	       nvmev_reg_read32(dev, NVME_REG_AQA) != tried->aqa ||
	       nvmev_reg_read64(dev, NVME_REG_ASQ) != tried->asq ||
	       nvmev_reg_read64(dev, NVME_REG_ACQ) != tried->acq;
}

/* CC has changed: EN and SHN each have their edges */
static void nvmev_ctrl_update_cc(struct nvmev_dev *dev, u32 cc)
{
	u32 old = dev->cc;
	u32 csts = dev->csts;

	dev->cc = cc;
	if (!(old & NVME_CC_EN) && (cc & NVME_CC_EN)) {
		/*
		 * NSSRO too: writing 1 to clear it leaves the same value in
		 * memory, and nothing to be seen here.
		 */
		csts &= ~(NVME_CSTS_SHST | NVME_CSTS_NSSRO);
		if (nvmev_ctrl_enable(dev, cc))
			csts |= NVME_CSTS_CFS;
		else
			csts |= NVME_CSTS_RDY;
	} else if ((old & NVME_CC_EN) && !(cc & NVME_CC_EN)) {
		nvmev_ctrl_disable(dev);
		csts &= ~(NVME_CSTS_RDY | NVME_CSTS_CFS | NVME_CSTS_SHST);
		/* All but AQA, ASQ and ACQ is reset, 7.3.2 */
		WRITE_ONCE(dev->intms, 0);
		nvmev_reg_write32(dev, NVME_REG_INTMS, 0);
		nvmev_reg_write32(dev, NVME_REG_INTMC, 0);
	}

	/*
	 * Normal and abrupt shutdown are the same to a device without caches:
	 * nothing is fetched or posted afterwards.
	 */
	if (!FIELD_GET(NVME_CC_SHN, old) && FIELD_GET(NVME_CC_SHN, cc)) {
		nvmev_ctrl_disable(dev);
		csts |= FIELD_PREP(NVME_CSTS_SHST, NVME_CSTS_SHST_COMPLETE);
	}
	/* The queues and all they hold are gone before the host learns so */
	smp_wmb();
	nvmev_ctrl_set_csts(dev, csts);
}

/**
 * nvmev_ctrl_reset_registers() - the registers as they are after a reset
 * @dev: the device
 *
 * Only the memory that the host sees; the controller thread acts upon it when
 * it next looks, or upon NVMEV_EVENT_RESET.
 *
 * Context: any.
 */
void nvmev_ctrl_reset_registers(struct nvmev_dev *dev)
{
	unsigned int reg;

	for (reg = NVME_REG_INTMS; reg < NVME_REG_ACQ + 8; reg += 4)
		if (reg != NVME_REG_CSTS)
			nvmev_reg_write32(dev, reg, 0);
	/* A host that sees RDY cleared may write to the others at once */
	smp_wmb();
	nvmev_reg_write32(dev, NVME_REG_CSTS, 0);
	/* In this order: nvmev_ctrl_decode() may copy from there to here */
	smp_wmb();
	for (reg = NVME_REG_INTMS; reg < NVME_REG_ACQ + 8; reg += 4)
		WRITE_ONCE(*(__le32 *)(dev->hidden_bar + reg), 0);
}

/**
 * nvmev_ctrl_decode() - let the host reach the BAR, or not any more
 * @dev: the device
 * @on: whether it can
 *
 * The BAR is memory, and whoever has it mapped can write to it at any time.
 * While the function does not answer there (Memory Space Enable is off, it
 * sleeps, the BAR has been moved) the threads do not look, and afterwards the
 * BAR reads as it did before.
 *
 * Context: any; the caller serialises.
 */
void nvmev_ctrl_decode(struct nvmev_dev *dev, bool on)
{
	if (on == dev->mmio)
		return;
	/* The pending bits are the device's alone, and go on changing */
	if (on) {
		memcpy(dev->bar, dev->hidden_bar, NVMEV_BAR_MSIX_PBA);
		/* Whoever sees it on sees what was put back */
		smp_wmb();
		WRITE_ONCE(dev->mmio, true);
	} else {
		WRITE_ONCE(dev->mmio, false);
		memcpy(dev->hidden_bar, dev->bar, NVMEV_BAR_MSIX_PBA);
	}
}

/**
 * nvmev_ctrl_intms() - interrupts masked by INTMS, 3.1.3 and 3.1.4
 * @dev: the device
 *
 * Writes that the controller thread has not looked at yet count as well.
 *
 * Context: any.
 * Return: the mask, a bit for each vector.
 */
u32 nvmev_ctrl_intms(struct nvmev_dev *dev)
{
	u32 intms = READ_ONCE(dev->intms);

	if (!READ_ONCE(dev->mmio))
		return intms;
	return (intms | nvmev_reg_read32(dev, NVME_REG_INTMS)) &
	       ~nvmev_reg_read32(dev, NVME_REG_INTMC);
}

static bool nvmev_cq_has_completions(const struct nvmev_cq *cq)
{
	u32 tail;

	if (!cq || !cq->irq)
		return false;
	tail = READ_ONCE(cq->tail);
	return tail != nvmev_doorbell_value(cq->doorbell, tail);
}

/**
 * nvmev_ctrl_has_completions() - whether the host has completions to take
 * @dev: the device
 *
 * Of queues that interrupt: the state of the interrupt line (7.5.1).
 *
 * Context: the controller thread, also with a spinlock held.
 */
bool nvmev_ctrl_has_completions(struct nvmev_dev *dev)
{
	unsigned int qid;

	if (!dev->enabled || !READ_ONCE(dev->mmio))
		return false;
	if (nvmev_cq_has_completions(dev->admin.cq))
		return true;
	for (qid = 1; qid <= dev->config.queues; qid++)
		if (nvmev_cq_has_completions(dev->cqs[qid]))
			return true;
	return false;
}

/* Forgets everything; whoever asked for it has reset the registers before */
static void nvmev_ctrl_reset_all(struct nvmev_dev *dev, u32 csts)
{
	nvmev_ctrl_disable(dev);
	dev->cc = 0;
	dev->intms = 0;
	nvmev_ctrl_set_csts(dev, csts);
}

/*
 * INTMS sets and INTMC clears bits of one mask, and both should read as it
 * (3.1.3, 3.1.4). INTMC reads 0: a driver masks and unmasks the same bit, and
 * writing to memory what it has already would be seen by nobody.
 *
 * In what order both were written nobody knows. A mask that is lost costs an
 * interrupt too many, an unmask that is lost a host that waits for ever: in
 * doubt the host has unmasked. So INTMC is read first, which leaves a later
 * unmask for the next look, and what it cleared goes from whatever INTMS holds
 * by then.
 */
static void nvmev_ctrl_poll_intms(struct nvmev_dev *dev)
{
	u32 clear = nvmev_reg_read32(dev, NVME_REG_INTMC);
	u32 set = nvmev_reg_read32(dev, NVME_REG_INTMS);

	if (likely(set == dev->intms && !clear) || !nvmev_ctrl_decodes(dev))
		return;
	WRITE_ONCE(dev->intms, (dev->intms | set) & ~clear);
	if (clear) {
		nvmev_reg_put_back32(dev, NVME_REG_INTMC, clear, 0);
		set = nvmev_reg_read32(dev, NVME_REG_INTMS);
	}
	nvmev_reg_put_back32(dev, NVME_REG_INTMS, set,
			     (dev->intms | set) & ~clear);
}

static bool nvmev_ctrl_poll_registers(struct nvmev_dev *dev)
{
	u64 cap = nvmev_ctrl_cap(dev);
	u32 cc = nvmev_reg_read32(dev, NVME_REG_CC);
	bool worked = false;
	u32 val;

	/* Bits that are reserved read as 0, whatever the host writes to them */
	if (unlikely(cc & ~NVME_CC_DEFINED)) {
		nvmev_reg_put_back32(dev, NVME_REG_CC, cc,
				     cc & NVME_CC_DEFINED);
		cc &= NVME_CC_DEFINED;
	}
	val = nvmev_reg_read32(dev, NVME_REG_AQA);
	if (unlikely(val & ~(NVME_AQA_ASQS | NVME_AQA_ACQS)))
		nvmev_reg_put_back32(dev, NVME_REG_AQA, val,
				     val & (NVME_AQA_ASQS | NVME_AQA_ACQS));
	if (unlikely(nvmev_ctrl_enabled_anew(dev, cc))) {
		/*
		 * EN that is still set, or set again, was set after all else: what
		 * was read above may be from before it was cleared.
		 */
		smp_rmb();
		cc = nvmev_reg_read32(dev, NVME_REG_CC) & NVME_CC_DEFINED;
		if (nvmev_ctrl_decodes(dev))
			nvmev_ctrl_update_cc(dev, cc & ~NVME_CC_EN);
	}
	if (cc != dev->cc && nvmev_ctrl_decodes(dev)) {
		nvmev_ctrl_update_cc(dev, cc);
		worked = true;
	}

	val = nvmev_reg_read32(dev, NVME_REG_CSTS);
	if (unlikely(val != dev->csts) && nvmev_ctrl_decodes(dev)) {
		/* NSSRO is cleared by writing 1, the rest is read-only */
		if (val & NVME_CSTS_NSSRO)
			dev->csts &= ~NVME_CSTS_NSSRO;
		nvmev_reg_put_back32(dev, NVME_REG_CSTS, val, dev->csts);
	}

	val = nvmev_reg_read32(dev, NVME_REG_NSSR);
	if (unlikely(val) && nvmev_ctrl_decodes(dev)) {
		nvmev_reg_put_back32(dev, NVME_REG_NSSR, val, 0);
		if (val == NVME_NSSR_RESET) {
			/* CSTS.RDY reads 0 when nothing is touched any more */
			nvmev_ctrl_disable(dev);
			nvmev_ctrl_reset_registers(dev);
			nvmev_ctrl_reset_all(dev, NVME_CSTS_NSSRO);
			worked = true;
		}
	}
	nvmev_ctrl_poll_intms(dev);

	nvmev_reg_keep32(dev, NVME_REG_CAP, lower_32_bits(cap));
	nvmev_reg_keep32(dev, NVME_REG_CAP + 4, upper_32_bits(cap));
	nvmev_reg_keep32(dev, NVME_REG_VS, NVME_VS_1_4);
	nvmev_ctrl_keep_absent(dev);
	return worked;
}

/* --- the admin queue ----------------------------------------------------- */

static bool nvmev_ctrl_poll_admin(struct nvmev_dev *dev)
{
	struct nvmev_sq *sq = dev->admin.sq;
	struct nvmev_cq *cq = dev->admin.cq;
	struct nvme_command cmd;
	unsigned int i;

	/* A command is fetched only when its completion has room */
	for (i = 0; i < NVMEV_ADMIN_BURST; i++) {
		struct nvmev_admin_result result = {
			.error.location = NVMEV_NO_LOCATION,
		};
		u16 status;

		if (nvmev_cq_full(dev, cq) || !nvmev_sq_pending(dev, sq) ||
		    !nvmev_sq_fetch(dev, sq, &cmd))
			break;
		status = nvmev_admin_execute(dev, &cmd, &result);
		if (status)
			status = nvmev_log_error(dev, sq, &cmd, status,
						 &result.error);
		if (!result.held)
			nvmev_cq_post(dev, cq, sq, cmd.cid, result.dw0,
				      status);
	}
	nvmev_admin_post_events(dev);
	nvmev_cq_signal(dev, cq, 0);
	return i;
}

/*
 * Registers that are reserved, and doorbells of queues that no host can make:
 * they are many, and nobody waits for them, so that each look takes some.
 * Returns whether a doorbell was written.
 */
static bool nvmev_ctrl_poll_unused(struct nvmev_dev *dev)
{
	const unsigned int doorbells_end = NVMEV_BAR_DOORBELLS +
		2 * (NVMEV_MAX_QUEUES + 1) * sizeof(__le32);
	bool doorbell = false;
	unsigned int i;

	for (i = 0; i < NVMEV_UNUSED_LOOKS; i++) {
		unsigned int reg = dev->unused_reg;

		if (reg < NVME_REG_CMB_END || reg >= NVMEV_BAR_MSIX_TABLE)
			reg = NVME_REG_CMB_END;
		else if (reg == NVME_REG_PMRCAP)
			reg = NVME_REG_PMR_END;
		else if (reg == NVMEV_BAR_DOORBELLS)
			reg = doorbells_end;
		dev->unused_reg = reg + 4;
		if (likely(!nvmev_reg_read32(dev, reg)))
			continue;
		nvmev_reg_keep32(dev, reg, 0);
		doorbell |= reg >= doorbells_end;
	}
	return doorbell;
}

/*
 * A doorbell of a queue that does not exist reads 0 until the host makes the
 * mistake of writing there (5.2, Write to Invalid Doorbell Register).
 */
static void nvmev_ctrl_poll_doorbells(struct nvmev_dev *dev)
{
	u64 now_ns = nvmev_clock_ns();
	unsigned int qid;
	bool bad, bad_value;

	if (now_ns - dev->doorbells_ns < NVMEV_CTRL_IDLE_NS)
		return;
	dev->doorbells_ns = now_ns;
	nvmev_log_busy(dev, now_ns);

	bad = nvmev_ctrl_poll_unused(dev);
	bad_value = nvmev_cq_bad_head(dev, dev->admin.cq);
	for (qid = 1; qid <= NVMEV_MAX_QUEUES; qid++) {
		__le32 *sq = nvmev_doorbell(dev, qid, false);
		__le32 *cq = nvmev_doorbell(dev, qid, true);

		if (!dev->sqs[qid] && READ_ONCE(*sq)) {
			WRITE_ONCE(*sq, 0);
			bad = true;
		}
		if (!dev->cqs[qid] && READ_ONCE(*cq)) {
			WRITE_ONCE(*cq, 0);
			bad = true;
		}
		if (dev->cqs[qid])
			bad_value |= nvmev_cq_bad_head(dev, dev->cqs[qid]);
	}
	if (bad_value)
		nvmev_admin_event(dev, NVME_AER_TYPE_ERROR,
				  NVME_AER_ERROR_INVALID_DB_VALUE);
	if (bad && nvmev_ctrl_decodes(dev))
		nvmev_admin_event(dev, NVME_AER_TYPE_ERROR,
				  NVME_AER_ERROR_INVALID_DB_REG);
}

/**
 * nvmev_ctrl_poll() - one round of the controller thread
 * @dev: the device
 *
 * Context: the controller thread.
 * Return: whether there was anything to do.
 */
bool nvmev_ctrl_poll(struct nvmev_dev *dev)
{
	bool worked = false;

	if (test_bit(NVMEV_EVENT_RESET, &dev->events)) {
		nvmev_ctrl_reset_all(dev, 0);
		/* Only now: nvmev_pci_retry() holds the host off as long */
		clear_bit(NVMEV_EVENT_RESET, &dev->events);
		complete_all(&dev->reset_done);
		worked = true;
	}
	/* It is written to the register with the rest, or once that is there */
	if (test_and_clear_bit(NVMEV_EVENT_FATAL, &dev->events)) {
		/* A host takes it for stopped, and its other queues' memory back */
		nvmev_ctrl_disable(dev);
		dev->csts |= NVME_CSTS_CFS;
	}
	if (READ_ONCE(dev->mmio))
		worked |= nvmev_ctrl_poll_registers(dev);
	if (test_and_clear_bit(NVMEV_EVENT_BAD_DOORBELL_VALUE, &dev->events))
		nvmev_admin_event(dev, NVME_AER_TYPE_ERROR,
				  NVME_AER_ERROR_INVALID_DB_VALUE);
	if (dev->enabled && READ_ONCE(dev->dma) && READ_ONCE(dev->mmio)) {
		nvmev_ctrl_poll_doorbells(dev);
		worked |= nvmev_ctrl_poll_admin(dev);
	}
	worked |= nvmev_admin_work(dev);
	worked |= nvmev_irq_poll(dev);
	return worked;
}

/**
 * nvmev_ctrl_reset() - reset the controller from outside
 * @dev: the device, with its controller thread running
 *
 * Context: any thread but the controller's; sleeps until no thread touches
 * the host's memory any more. The caller serialises.
 */
void nvmev_ctrl_reset(struct nvmev_dev *dev)
{
	nvmev_ctrl_reset_registers(dev);
	reinit_completion(&dev->reset_done);
	nvmev_ctrl_event(dev, NVMEV_EVENT_RESET);
	wake_up_process(dev->ctrl_task);
	wait_for_completion(&dev->reset_done);
}

static int nvmev_ctrl_thread(void *data)
{
	struct nvmev_dev *dev = data;
	u64 worked_ns = nvmev_clock_ns();
	unsigned int noio;

	/* Memory for queues must not wait for I/O to this very device */
	noio = memalloc_noio_save();

	while (!kthread_should_stop()) {
		u64 now_ns = nvmev_clock_ns();
		u64 sleep_ns;
		ktime_t timeout;

		if (nvmev_ctrl_poll(dev))
			worked_ns = now_ns;
		sleep_ns = clamp_t(u64, (now_ns - worked_ns) >>
				   NVMEV_CTRL_IDLE_SHIFT, NVMEV_CTRL_BUSY_NS,
				   NVMEV_CTRL_IDLE_NS);
		timeout = ns_to_ktime(sleep_ns);
		set_current_state(TASK_IDLE);
		if (kthread_should_stop() || READ_ONCE(dev->events))
			__set_current_state(TASK_RUNNING);
		else
			schedule_hrtimeout_range(&timeout, sleep_ns / 4,
						 HRTIMER_MODE_REL);
		cond_resched_tasks_rcu_qs();
	}
	nvmev_ctrl_disable(dev);
	memalloc_noio_restore(noio);
	return 0;
}

/**
 * nvmev_ctrl_init() - prepare the controller and its registers
 * @dev: the device, with the BAR mapped
 *
 * Context: load, may sleep.
 * Return: 0 or -ENOMEM.
 */
int nvmev_ctrl_init(struct nvmev_dev *dev)
{
	u64 cap = nvmev_ctrl_cap(dev);
	unsigned int i;

	dev->admin.buf = (u8 *)get_zeroed_page(GFP_KERNEL);
	if (!dev->admin.buf)
		return -ENOMEM;
	dev->hidden_bar = kvcalloc(1, NVMEV_BAR_SIZE, GFP_KERNEL);
	if (!dev->hidden_bar) {
		free_page((unsigned long)dev->admin.buf);
		return -ENOMEM;
	}
	init_completion(&dev->reset_done);
	spin_lock_init(&dev->error_lock);
	mutex_init(&dev->queues_lock);
	for (i = 0; i < NVMEV_RANGE_LOCKS; i++)
		spin_lock_init(&dev->range_locks[i]);
	dev->load_ns = nvmev_clock_ns();

	memset(dev->bar, 0, NVMEV_BAR_SIZE);
	nvmev_reg_write32(dev, NVME_REG_CAP, lower_32_bits(cap));
	nvmev_reg_write32(dev, NVME_REG_CAP + 4, upper_32_bits(cap));
	nvmev_reg_write32(dev, NVME_REG_VS, NVME_VS_1_4);
	/* The host cannot reach it yet: see nvmev_ctrl_decode() */
	memcpy(dev->hidden_bar, dev->bar, NVMEV_BAR_SIZE);
	nvmev_admin_reset(dev);
	return 0;
}

/**
 * nvmev_ctrl_destroy() - free what nvmev_ctrl_init() made
 * @dev: the device
 */
void nvmev_ctrl_destroy(struct nvmev_dev *dev)
{
	kvfree(dev->hidden_bar);
	dev->hidden_bar = NULL;
	free_page((unsigned long)dev->admin.buf);
	dev->admin.buf = NULL;
}

/**
 * nvmev_ctrl_start() - start the controller thread
 * @dev: the device, with its workers running
 *
 * Context: load, may sleep.
 * Return: 0 or -errno.
 */
int nvmev_ctrl_start(struct nvmev_dev *dev)
{
	unsigned int cpu = dev->config.cpus[0];
	struct task_struct *task;

	task = kthread_create_on_node(nvmev_ctrl_thread, dev, cpu_to_node(cpu),
				      "%s/ctrl", dev->config.name);
	if (IS_ERR(task)) {
		pr_err("%sno controller thread: error %ld\n",
		       dev->config.label, PTR_ERR(task));
		return PTR_ERR(task);
	}
	kthread_bind(task, cpu);
	dev->ctrl_task = task;
	wake_up_process(task);
	return 0;
}

/**
 * nvmev_ctrl_stop() - disable the controller and stop its thread
 * @dev: the device; its workers still run
 *
 * Context: unload, sleeps.
 */
void nvmev_ctrl_stop(struct nvmev_dev *dev)
{
	kthread_stop(dev->ctrl_task);
	dev->ctrl_task = NULL;
}
