// SPDX-License-Identifier: GPL-2.0
/*
 * The admin command set (NVMe 1.4, 5).
 *
 * Everything runs in the controller thread, which owns the admin queue, the
 * features and the tables of queues; workers are reached through
 * nvmev_worker_call() alone. Only nvmev_admin_log_error() is called by others.
 */
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "nvmev.h"
#include "nvmev_compat.h"

/* An unregistered vendor ID, "nv" and "me"; see nvmev_pci_init.c */
#define NVMEV_VENDOR_ID		0x6e76

#define NVMEV_FIRMWARE		"1.0"

/* Temperatures in kelvin: always a cool 37 degrees Celsius */
#define NVMEV_TEMPERATURE	310
#define NVMEV_TEMP_WARNING	343
#define NVMEV_TEMP_CRITICAL	353

/* Shutdown is over at once; in microseconds, so that no host waits longer */
#define NVMEV_RTD3_US		1000000

/* SMART counts data in thousands of 512 byte units, rounded up, 5.14.1.2 */
#define NVMEV_SMART_UNIT	512000

/* The controller's identifier, the only one in its subsystem */
#define NVMEV_CNTLID		0

/* LBA formats 0 and 1 */
#define NVMEV_LBA_FORMATS	2
#define NVMEV_LBA_SHIFT_FIRST	9
#define NVMEV_LBA_SHIFT_LAST	12

/* Bytes erased between two looks at the registers and the admin queue */
#define NVMEV_FORMAT_SLICE	SZ_4M

/* Arbitration Burst at reset: 2^5 commands, see nvmev_worker_fetch() */
#define NVMEV_DEFAULT_BURST	5

/* Bits of nvmev_admin.events and .masked, the event types of 5.2 */
#define NVMEV_AEN_BITS		(NVME_AER_TYPE_NOTICE + 1)

static u32 nvmev_cdw(const struct nvme_command *cmd, unsigned int dw)
{
	return le32_to_cpu((&cmd->cdw10)[dw - 10]);
}

/* Ends a command that has no data of its own with a data structure */
static u16 nvmev_admin_data(struct nvmev_dev *dev,
			    const struct nvme_command *cmd, u32 len)
{
	return nvmev_prp_write(dev, cmd, dev->admin.buf, len, len);
}

static void *nvmev_admin_buf(struct nvmev_dev *dev)
{
	return memset(dev->admin.buf, 0, NVME_IDENTIFY_SIZE);
}

/* Strings of Identify are padded with blanks and not terminated */
static void nvmev_pad_string(char *field, size_t size, const char *string)
{
	size_t len = min(strlen(string), size);

	memset(field, ' ', size);
	memcpy(field, string, len);
}

/* --- queues, 5.3 to 5.6 -------------------------------------------------- */

static u16 nvmev_admin_queue_error(int err)
{
	return err == -EFAULT ? NVME_SC_DATA_XFER_ERROR : NVME_SC_INTERNAL;
}

static u16 nvmev_admin_create_cq(struct nvmev_dev *dev,
				 const struct nvme_command *cmd,
				 struct nvmev_admin_result *result)
{
	u16 qid = nvmev_cdw(cmd, 10);
	u32 size = (nvmev_cdw(cmd, 10) >> 16) + 1;
	u16 vector = nvmev_cdw(cmd, 11) >> 16;
	u64 addr = le64_to_cpu(cmd->prp1);
	struct nvmev_cq *cq;
	int err;

	if (!qid || qid > dev->config.queues || dev->cqs[qid])
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (size < 2 || size > dev->config.queue_depth ||
	    FIELD_GET(NVME_CC_IOCQES, dev->cc) != NVME_CQES)
		return NVME_SC_QUEUE_SIZE | NVME_SC_DNR;
	if (vector > dev->config.queues)
		return NVME_SC_INVALID_VECTOR | NVME_SC_DNR;
	/* CAP.CQR: queues are physically contiguous */
	if (!(nvmev_cdw(cmd, 11) & NVME_QUEUE_PC))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (addr & ~NVME_PAGE_MASK)
		return NVME_SC_PRP_OFFSET_INVALID | NVME_SC_DNR;

	cq = nvmev_cq_create(dev, qid, addr, size, &err);
	if (!cq)
		return nvmev_admin_queue_error(err);
	cq->vector = vector;
	cq->irq = nvmev_cdw(cmd, 11) & NVME_CQ_IEN;
	cq->worker = &dev->workers[(qid - 1) % dev->config.nr_workers];
	dev->cqs[qid] = cq;
	nvmev_worker_add_cq(cq);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_admin_create_sq(struct nvmev_dev *dev,
				 const struct nvme_command *cmd,
				 struct nvmev_admin_result *result)
{
	u16 qid = nvmev_cdw(cmd, 10);
	u32 size = (nvmev_cdw(cmd, 10) >> 16) + 1;
	u16 cqid = nvmev_cdw(cmd, 11) >> 16;
	u64 addr = le64_to_cpu(cmd->prp1);
	struct nvmev_sq *sq;
	int err;

	if (!cqid || cqid > dev->config.queues)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (!dev->cqs[cqid])
		return NVME_SC_CQ_INVALID | NVME_SC_DNR;
	if (!qid || qid > dev->config.queues || dev->sqs[qid])
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (size < 2 || size > dev->config.queue_depth ||
	    FIELD_GET(NVME_CC_IOSQES, dev->cc) != NVME_SQES)
		return NVME_SC_QUEUE_SIZE | NVME_SC_DNR;
	if (!(nvmev_cdw(cmd, 11) & NVME_QUEUE_PC))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (addr & ~NVME_PAGE_MASK)
		return NVME_SC_PRP_OFFSET_INVALID | NVME_SC_DNR;

	sq = nvmev_sq_create(dev, qid, addr, size, dev->cqs[cqid], &err);
	if (!sq)
		return nvmev_admin_queue_error(err);
	mutex_lock(&dev->queues_lock);
	dev->sqs[qid] = sq;
	mutex_unlock(&dev->queues_lock);
	nvmev_worker_add_sq(sq);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_admin_delete_sq(struct nvmev_dev *dev,
				 const struct nvme_command *cmd,
				 struct nvmev_admin_result *result)
{
	u16 qid = nvmev_cdw(cmd, 10);

	if (!qid || qid > dev->config.queues || !dev->sqs[qid])
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	nvmev_ctrl_delete_sq(dev, qid);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_admin_delete_cq(struct nvmev_dev *dev,
				 const struct nvme_command *cmd,
				 struct nvmev_admin_result *result)
{
	u16 qid = nvmev_cdw(cmd, 10);

	if (!qid || qid > dev->config.queues || !dev->cqs[qid])
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	/* Its submission queues go first */
	if (dev->cqs[qid]->nr_sqs)
		return NVME_SC_INVALID_QUEUE | NVME_SC_DNR;
	nvmev_ctrl_delete_cq(dev, qid);
	return NVME_SC_SUCCESS;
}

/* --- Identify, 5.15 ------------------------------------------------------ */

static void nvmev_identify_ctrl(struct nvmev_dev *dev, struct nvme_id_ctrl *id)
{
	char serial[sizeof(id->sn) + 1];

	id->vid = cpu_to_le16(NVMEV_VENDOR_ID);
	id->ssvid = cpu_to_le16(NVMEV_VENDOR_ID);
	snprintf(serial, sizeof(serial), "NVMEV%llX", dev->config.start);
	nvmev_pad_string(id->sn, sizeof(id->sn), serial);
	nvmev_pad_string(id->mn, sizeof(id->mn), "nvmev virtual NVMe SSD");
	nvmev_pad_string(id->fr, sizeof(id->fr), NVMEV_FIRMWARE);
	id->rab = NVMEV_DEFAULT_BURST;
	id->mdts = NVMEV_MDTS;
	id->ver = cpu_to_le32(NVME_VS_1_4);
	id->rtd3r = cpu_to_le32(NVMEV_RTD3_US);
	id->rtd3e = cpu_to_le32(NVMEV_RTD3_US);
	id->cntlid = cpu_to_le16(NVMEV_CNTLID);
	id->ctratt = cpu_to_le32(NVME_ID_CTRATT_HOST_ID_128);
	id->cntrltype = NVME_ID_CNTRLTYPE_IO;
	id->acl = NVMEV_ACL;
	id->aerl = NVMEV_AERL;
	id->frmw = NVME_ID_FRMW_SLOT1_RO | NVME_ID_FRMW_ONE_SLOT;
	id->lpa = NVME_ID_LPA_CSE | NVME_ID_LPA_EXT;
	id->elpe = NVMEV_ERROR_LOG_ENTRIES - 1;
	id->wctemp = cpu_to_le16(NVMEV_TEMP_WARNING);
	id->cctemp = cpu_to_le16(NVMEV_TEMP_CRITICAL);
	put_unaligned_le64(dev->storage_bytes, id->tnvmcap);
	put_unaligned_le64(nvmev_ns_unallocated(dev), id->unvmcap);
	id->oaes = cpu_to_le32(NVME_ID_OAES_NS_ATTR);
	id->oacs = cpu_to_le16(NVME_ID_OACS_FORMAT | NVME_ID_OACS_NS_MGMT);
	id->sqes = NVME_SQES << 4 | NVME_SQES;
	id->cqes = NVME_CQES << 4 | NVME_CQES;
	id->nn = cpu_to_le32(NVMEV_MAX_NS);
	id->oncs = cpu_to_le16(NVME_ID_ONCS_COMPARE | NVME_ID_ONCS_DSM |
			       NVME_ID_ONCS_WRITE_UNCOR |
			       NVME_ID_ONCS_WRITE_ZEROES |
			       NVME_ID_ONCS_TIMESTAMP | NVME_ID_ONCS_VERIFY);
	id->fuses = cpu_to_le16(NVME_ID_FUSES_COMPARE_WRITE);
	id->fna = NVME_ID_FNA_CRYPTO_ERASE;
	id->vwc = NVME_ID_VWC_FLUSH_ALL | NVME_ID_VWC_PRESENT;
	snprintf(id->subnqn, sizeof(id->subnqn),
		 "nqn.2014-08.org.nvmexpress:%04x%04x%.20s%.40s",
		 NVMEV_VENDOR_ID, NVMEV_VENDOR_ID, id->sn, id->mn);
	/* One power state that uses next to nothing: 0.01 W */
	id->psd[0].mp = cpu_to_le16(1);
}

static void nvmev_ns_eui64(struct nvmev_dev *dev, const struct nvmev_ns *ns,
			   u8 *eui64)
{
	/* Locally administered, and the same whenever this range is loaded */
	put_unaligned_be64((dev->config.start + ns->offset) >> 12 |
			   (u64)ns->nsid << 44 | 0x02ULL << 56, eui64);
}

/* What all namespaces have in common: the answer for NSID FFFFFFFFh */
static void nvmev_identify_ns_common(struct nvme_id_ns *id)
{
	id->nlbaf = NVMEV_LBA_FORMATS - 1;
	id->lbaf[0].lbads = NVMEV_LBA_SHIFT_FIRST;
	id->lbaf[1].lbads = NVMEV_LBA_SHIFT_LAST;
	id->dlfeat = NVME_ID_NS_DLFEAT_ZEROES | NVME_ID_NS_DLFEAT_WZ_DEAC;
}

static void nvmev_identify_ns(struct nvmev_dev *dev, const struct nvmev_ns *ns,
			      struct nvme_id_ns *id)
{
	nvmev_identify_ns_common(id);
	id->nsze = cpu_to_le64(ns->nr_lba);
	id->ncap = id->nsze;
	id->nuse = id->nsze;
	id->nsfeat = NVME_ID_NS_NSABP;
	id->flbas = ns->lba_shift == NVMEV_LBA_SHIFT_LAST;
	/* Compare and Write, fused, goes up to a page: zero's based */
	id->nacwu = cpu_to_le16((NVME_PAGE_SIZE >> ns->lba_shift) - 1);
	put_unaligned_le64(ns->bytes, id->nvmcap);
	nvmev_ns_eui64(dev, ns, id->eui64);
	memcpy(id->nguid, "nvmev\0\0\0", 8);
	nvmev_ns_eui64(dev, ns, id->nguid + 8);
}

static void *nvmev_ns_desc(void *buf, u8 type, const void *value, u8 len)
{
	struct nvme_ns_id_desc *desc = buf;

	desc->nidt = type;
	desc->nidl = len;
	memcpy(desc + 1, value, len);
	return buf + sizeof(*desc) + len;
}

static void nvmev_identify_ns_descs(struct nvmev_dev *dev,
				    const struct nvmev_ns *ns, void *buf)
{
	u8 nguid[16] = "nvmev";

	nvmev_ns_eui64(dev, ns, nguid + 8);
	buf = nvmev_ns_desc(buf, NVME_NIDT_EUI64, nguid + 8, 8);
	nvmev_ns_desc(buf, NVME_NIDT_NGUID, nguid, sizeof(nguid));
}

/* Namespaces above @nsid, in order */
static void nvmev_identify_ns_list(struct nvmev_dev *dev, u32 nsid,
				   bool attached, __le32 *list)
{
	unsigned int i;

	for (i = nsid; i < NVMEV_MAX_NS; i++)
		if (attached ? dev->ns[i].attached : dev->ns[i].nsid)
			*list++ = cpu_to_le32(i + 1);
}

/* The only controller, if it is not below the first that is asked for */
static void nvmev_identify_ctrl_list(u16 first, bool listed, __le16 *list)
{
	if (listed && first <= NVMEV_CNTLID) {
		list[0] = cpu_to_le16(1);
		list[1] = cpu_to_le16(NVMEV_CNTLID);
	}
}

static u16 nvmev_admin_identify(struct nvmev_dev *dev,
				const struct nvme_command *cmd,
				struct nvmev_admin_result *result)
{
	u8 cns = nvmev_cdw(cmd, 10);
	u16 cntid = nvmev_cdw(cmd, 10) >> 16;
	u32 nsid = le32_to_cpu(cmd->nsid);
	struct nvmev_ns *ns = nvmev_ns_find(dev, nsid);
	struct nvmev_ns *allocated = nvmev_ns_find_allocated(dev, nsid);
	void *buf = nvmev_admin_buf(dev);
	bool valid = nsid && nsid <= NVMEV_MAX_NS;

	switch (cns) {
	case NVME_ID_CNS_NS:
		/* Zeroes for a namespace that is not attached */
		if (nsid == NVME_NSID_ALL)
			nvmev_identify_ns_common(buf);
		else if (!valid)
			return NVME_SC_INVALID_NS | NVME_SC_DNR;
		else if (ns)
			nvmev_identify_ns(dev, ns, buf);
		break;
	case NVME_ID_CNS_CTRL:
		nvmev_identify_ctrl(dev, buf);
		break;
	case NVME_ID_CNS_NS_ACTIVE_LIST:
	case NVME_ID_CNS_NS_ALLOCATED_LIST:
		if (nsid >= NVME_NSID_ALL - 1)
			return NVME_SC_INVALID_NS | NVME_SC_DNR;
		nvmev_identify_ns_list(dev, nsid,
				       cns == NVME_ID_CNS_NS_ACTIVE_LIST, buf);
		break;
	case NVME_ID_CNS_NS_DESC_LIST:
		if (!ns)
			return NVME_SC_INVALID_NS | NVME_SC_DNR;
		nvmev_identify_ns_descs(dev, ns, buf);
		break;
	case NVME_ID_CNS_NS_ALLOCATED:
		if (!valid)
			return NVME_SC_INVALID_NS | NVME_SC_DNR;
		if (allocated)
			nvmev_identify_ns(dev, allocated, buf);
		break;
	case NVME_ID_CNS_NS_CTRL_LIST:
		if (!valid)
			return NVME_SC_INVALID_NS | NVME_SC_DNR;
		nvmev_identify_ctrl_list(cntid, ns, buf);
		break;
	case NVME_ID_CNS_CTRL_LIST:
		nvmev_identify_ctrl_list(cntid, true, buf);
		break;
	default:
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	}
	return nvmev_admin_data(dev, cmd, NVME_IDENTIFY_SIZE);
}

/* --- log pages, 5.14 ----------------------------------------------------- */

/**
 * nvmev_admin_log_error() - remember a failed command in the error log
 * @dev: the device
 * @sq: its submission queue
 * @cmd: the command
 * @status: its status, without the phase tag
 * @lba: the block that it began with, 0 for admin commands
 *
 * Context: the owner of @sq. Takes error_lock.
 */
void nvmev_admin_log_error(struct nvmev_dev *dev, const struct nvmev_sq *sq,
			   const struct nvme_command *cmd, u16 status, u64 lba)
{
	struct nvme_error_log_entry *entry;

	spin_lock(&dev->error_lock);
	entry = &dev->errors[dev->nr_errors % NVMEV_ERROR_LOG_ENTRIES];
	memset(entry, 0, sizeof(*entry));
	entry->error_count = cpu_to_le64(++dev->nr_errors);
	entry->sqid = cpu_to_le16(sq->qid);
	entry->cid = cmd->cid;
	entry->status = cpu_to_le16(status << 1);
	/* No one field is blamed */
	entry->param_error_location = cpu_to_le16(U16_MAX);
	entry->lba = cpu_to_le64(lba);
	entry->nsid = cmd->nsid;
	spin_unlock(&dev->error_lock);
}

/* Newest first */
static void nvmev_log_errors(struct nvmev_dev *dev,
			     struct nvme_error_log_entry *log)
{
	unsigned int i;

	spin_lock(&dev->error_lock);
	for (i = 0; i < min_t(u64, dev->nr_errors, NVMEV_ERROR_LOG_ENTRIES);
	     i++)
		log[i] = dev->errors[(dev->nr_errors - 1 - i) %
				     NVMEV_ERROR_LOG_ENTRIES];
	spin_unlock(&dev->error_lock);
}

static u8 nvmev_critical_warning(struct nvmev_dev *dev)
{
	const struct nvmev_features *features = &dev->admin.features;

	if (features->temp_over <= NVMEV_TEMPERATURE ||
	    features->temp_under >= NVMEV_TEMPERATURE)
		return NVME_SMART_CRIT_TEMPERATURE;
	return 0;
}

static void nvmev_log_smart(struct nvmev_dev *dev, struct nvme_smart_log *log)
{
	u64 read = 0, written = 0, reads = 0, writes = 0;
	unsigned int w;

	for (w = 0; w < dev->config.nr_workers; w++) {
		const struct nvmev_worker *worker = &dev->workers[w];

		read += READ_ONCE(worker->bytes_read);
		written += READ_ONCE(worker->bytes_written);
		reads += READ_ONCE(worker->host_reads);
		writes += READ_ONCE(worker->host_writes);
	}

	log->critical_warning = nvmev_critical_warning(dev);
	put_unaligned_le16(NVMEV_TEMPERATURE, &log->temperature);
	log->avail_spare = 100;
	log->spare_thresh = 10;
	put_unaligned_le64(DIV_ROUND_UP_ULL(read, NVMEV_SMART_UNIT),
			   log->data_units_read);
	put_unaligned_le64(DIV_ROUND_UP_ULL(written, NVMEV_SMART_UNIT),
			   log->data_units_written);
	put_unaligned_le64(reads, log->host_reads);
	put_unaligned_le64(writes, log->host_writes);
	put_unaligned_le64(1, log->power_cycles);
	put_unaligned_le64(div64_u64(nvmev_clock_ns() - dev->load_ns,
				     3600ULL * NSEC_PER_SEC),
			   log->power_on_hours);
	spin_lock(&dev->error_lock);
	put_unaligned_le64(dev->nr_errors, log->num_err_log_entries);
	spin_unlock(&dev->error_lock);
}

static void nvmev_log_fw_slot(struct nvme_fw_slot_log *log)
{
	log->afi = 1;
	nvmev_pad_string(log->frs[0], sizeof(log->frs[0]), NVMEV_FIRMWARE);
}

/* Reading it begins it anew */
static void nvmev_log_changed_ns(struct nvmev_dev *dev, __le32 *list)
{
	unsigned int i, nr = 0;

	for_each_set_bit(i, &dev->admin.changed_ns, NVMEV_MAX_NS)
		list[nr++] = cpu_to_le32(i + 1);
}

static void nvmev_admin_clear_events(struct nvmev_dev *dev, u8 lid)
{
	struct nvmev_admin *admin = &dev->admin;

	switch (lid) {
	case NVME_LOG_ERROR:
		__clear_bit(NVME_AER_TYPE_ERROR, &admin->masked);
		break;
	case NVME_LOG_SMART:
		__clear_bit(NVME_AER_TYPE_SMART, &admin->masked);
		break;
	case NVME_LOG_CHANGED_NS:
		__clear_bit(NVME_AER_TYPE_NOTICE, &admin->masked);
		admin->changed_ns = 0;
		break;
	}
}

static void nvmev_log_effects(struct nvme_effects_log *log);

static u16 nvmev_admin_get_log_page(struct nvmev_dev *dev,
				    const struct nvme_command *cmd,
				    struct nvmev_admin_result *result)
{
	u32 cdw10 = nvmev_cdw(cmd, 10);
	u64 dwords = (cdw10 >> 16 | (nvmev_cdw(cmd, 11) & 0xffff) << 16) + 1ULL;
	u64 offset = nvmev_cdw(cmd, 12) | (u64)nvmev_cdw(cmd, 13) << 32;
	u32 nsid = le32_to_cpu(cmd->nsid);
	void *buf = nvmev_admin_buf(dev);
	u8 lid = cdw10;
	u32 size;
	u16 status;

	if (dwords * 4 > NVMEV_MAX_TRANSFER || offset % 4)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;

	switch (lid) {
	case NVME_LOG_ERROR:
		nvmev_log_errors(dev, buf);
		size = sizeof(dev->errors);
		break;
	case NVME_LOG_SMART:
		/* LPA bit 0: only the controller as a whole has this log */
		if (nsid && nsid != NVME_NSID_ALL)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		nvmev_log_smart(dev, buf);
		size = sizeof(struct nvme_smart_log);
		break;
	case NVME_LOG_FW_SLOT:
		nvmev_log_fw_slot(buf);
		size = sizeof(struct nvme_fw_slot_log);
		break;
	case NVME_LOG_CHANGED_NS:
		nvmev_log_changed_ns(dev, buf);
		size = NVME_IDENTIFY_SIZE;
		break;
	case NVME_LOG_CMD_EFFECTS:
		nvmev_log_effects(buf);
		size = sizeof(struct nvme_effects_log);
		break;
	default:
		return NVME_SC_INVALID_LOG_PAGE | NVME_SC_DNR;
	}
	if (offset > size)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;

	status = nvmev_prp_write(dev, cmd, buf + offset, size - offset,
				 dwords * 4);
	/* Reading a log clears the events that point to it, unless RAE */
	if (!status && !(cdw10 & NVME_LOG_RAE))
		nvmev_admin_clear_events(dev, lid);
	return status;
}

/* --- features, 5.9 and 5.21 ---------------------------------------------- */

static u64 nvmev_timestamp_ms(struct nvmev_dev *dev)
{
	const struct nvmev_features *features = &dev->admin.features;

	return features->timestamp_ms +
	       div_u64(nvmev_clock_ns() - features->timestamp_set_ns,
		       NSEC_PER_MSEC);
}

static void nvmev_features_init(struct nvmev_dev *dev)
{
	struct nvmev_features *features = &dev->admin.features;

	memset(features, 0, sizeof(*features));
	features->arbitration = NVMEV_DEFAULT_BURST;
	features->temp_over = NVMEV_TEMP_WARNING;
	features->volatile_wc = 1;
	features->timestamp_set_ns = nvmev_clock_ns();
}

static u32 *nvmev_temp_threshold(struct nvmev_features *features, u32 cdw11)
{
	/* TMPSEL: the composite temperature, 0, or all sensors, 15 */
	u32 sensor = cdw11 >> 16 & 0xf;

	if (sensor && sensor != 0xf)
		return NULL;
	switch (cdw11 >> 20 & 3) {
	case 0:
		return &features->temp_over;
	case 1:
		return &features->temp_under;
	default:
		return NULL;
	}
}

/* The value of a feature in DW0, from @features */
static u16 nvmev_feature_value(struct nvmev_dev *dev,
			       struct nvmev_features *features,
			       const struct nvme_command *cmd, u32 *result)
{
	u32 cdw11 = nvmev_cdw(cmd, 11);
	u32 *threshold;
	u16 vector;

	switch (nvmev_cdw(cmd, 10) & 0xff) {
	case NVME_FEAT_ARBITRATION:
		*result = features->arbitration;
		break;
	case NVME_FEAT_POWER_MGMT:
		*result = features->power_state;
		break;
	case NVME_FEAT_TEMP_THRESH:
		threshold = nvmev_temp_threshold(features, cdw11);
		if (!threshold)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		*result = *threshold;
		break;
	case NVME_FEAT_ERR_RECOVERY:
		*result = features->error_recovery;
		break;
	case NVME_FEAT_VOLATILE_WC:
		*result = features->volatile_wc;
		break;
	case NVME_FEAT_NUM_QUEUES:
		*result = (dev->config.queues - 1) << 16 |
			  (dev->config.queues - 1);
		break;
	case NVME_FEAT_IRQ_COALESCE:
		*result = features->irq_coalesce;
		break;
	case NVME_FEAT_IRQ_CONFIG:
		vector = cdw11;
		if (vector > dev->config.queues)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		*result = vector |
			  (u32)features->irq_no_coalesce[vector] << 16;
		break;
	case NVME_FEAT_WRITE_ATOMIC:
		*result = features->write_atomicity;
		break;
	case NVME_FEAT_ASYNC_EVENT:
		*result = features->async_event;
		break;
	case NVME_FEAT_TIMESTAMP:
	case NVME_FEAT_HOST_ID:
		break;
	default:
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	}
	return NVME_SC_SUCCESS;
}

/* EXHID, CDW11 bit 0: 16 bytes instead of 8 */
static u32 nvmev_host_id_bytes(const struct nvme_command *cmd)
{
	return nvmev_cdw(cmd, 11) & 1 ? 16 : 8;
}

static u16 nvmev_get_host_id(struct nvmev_dev *dev,
			     const struct nvme_command *cmd)
{
	memcpy(nvmev_admin_buf(dev), dev->admin.features.host_id,
	       sizeof(dev->admin.features.host_id));
	return nvmev_admin_data(dev, cmd, nvmev_host_id_bytes(cmd));
}

static u16 nvmev_set_host_id(struct nvmev_dev *dev,
			     const struct nvme_command *cmd)
{
	struct nvmev_features *features = &dev->admin.features;
	u8 host_id[16] = { };
	u16 status;

	status = nvmev_prp_read(dev, cmd, 0, host_id,
				nvmev_host_id_bytes(cmd));
	if (!status)
		memcpy(features->host_id, host_id, sizeof(host_id));
	return status;
}

static u16 nvmev_get_timestamp(struct nvmev_dev *dev,
			       const struct nvme_command *cmd)
{
	struct nvme_timestamp *timestamp = nvmev_admin_buf(dev);

	put_unaligned_le32(nvmev_timestamp_ms(dev), timestamp->ms);
	put_unaligned_le16(nvmev_timestamp_ms(dev) >> 32, timestamp->ms + 4);
	if (dev->admin.features.timestamp_by_host)
		timestamp->attr = NVME_TIMESTAMP_ORIGIN_SET;
	return nvmev_admin_data(dev, cmd, sizeof(*timestamp));
}

static u16 nvmev_admin_get_features(struct nvmev_dev *dev,
				    const struct nvme_command *cmd,
				    struct nvmev_admin_result *result)
{
	u32 cdw10 = nvmev_cdw(cmd, 10);
	u8 fid = cdw10;
	struct nvmev_features defaults = {
		.arbitration = NVMEV_DEFAULT_BURST,
		.temp_over = NVMEV_TEMP_WARNING,
		.volatile_wc = 1,
	};
	u16 status;

	switch (FIELD_GET(NVME_FEAT_SEL, cdw10)) {
	case NVME_FEAT_SEL_CURRENT:
		status = nvmev_feature_value(dev, &dev->admin.features, cmd,
					     &result->dw0);
		if (!status && fid == NVME_FEAT_TIMESTAMP)
			return nvmev_get_timestamp(dev, cmd);
		if (!status && fid == NVME_FEAT_HOST_ID)
			return nvmev_get_host_id(dev, cmd);
		return status;
	case NVME_FEAT_SEL_DEFAULT:
	case NVME_FEAT_SEL_SAVED:
		/* Nothing can be saved, so what is saved is the default */
		return nvmev_feature_value(dev, &defaults, cmd, &result->dw0);
	case NVME_FEAT_SEL_SUPPORTED:
		status = nvmev_feature_value(dev, &defaults, cmd, &result->dw0);
		result->dw0 = status ? 0 : NVME_FEAT_CAP_CHANGEABLE;
		return status;
	default:
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	}
}

static u16 nvmev_set_num_queues(struct nvmev_dev *dev, u32 cdw11, u32 *result)
{
	unsigned int qid;

	if ((cdw11 & 0xffff) == 0xffff || cdw11 >> 16 == 0xffff)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	/* Only before there are I/O queues, 5.21.1.7 */
	for (qid = 1; qid <= dev->config.queues; qid++)
		if (dev->cqs[qid])
			return NVME_SC_CMD_SEQ_ERROR | NVME_SC_DNR;
	*result = (dev->config.queues - 1) << 16 | (dev->config.queues - 1);
	return NVME_SC_SUCCESS;
}

static u16 nvmev_set_timestamp(struct nvmev_dev *dev,
			       const struct nvme_command *cmd)
{
	struct nvmev_features *features = &dev->admin.features;
	struct nvme_timestamp timestamp;
	u16 status;

	status = nvmev_prp_read(dev, cmd, 0, &timestamp, sizeof(timestamp));
	if (status)
		return status;
	features->timestamp_ms = get_unaligned_le32(timestamp.ms) |
		(u64)get_unaligned_le16(timestamp.ms + 4) << 32;
	features->timestamp_set_ns = nvmev_clock_ns();
	features->timestamp_by_host = true;
	return NVME_SC_SUCCESS;
}

static void nvmev_check_temperature(struct nvmev_dev *dev)
{
	if (nvmev_critical_warning(dev) &
	    FIELD_GET(NVME_AEC_SMART, dev->admin.features.async_event))
		nvmev_admin_event(dev, NVME_AER_TYPE_SMART,
				  NVME_AER_SMART_TEMPERATURE, NVME_LOG_SMART);
}

static u16 nvmev_admin_set_features(struct nvmev_dev *dev,
				    const struct nvme_command *cmd,
				    struct nvmev_admin_result *result)
{
	struct nvmev_features *features = &dev->admin.features;
	u32 cdw10 = nvmev_cdw(cmd, 10), cdw11 = nvmev_cdw(cmd, 11);
	u8 fid = cdw10;
	u32 *threshold;
	u16 status, vector;

	/* A feature that exists; its reading has no side effect */
	status = nvmev_feature_value(dev, features, cmd, &result->dw0);
	result->dw0 = 0;
	if (status)
		return status;
	if (cdw10 & NVME_FEAT_SV)
		return NVME_SC_FEATURE_NOT_SAVEABLE | NVME_SC_DNR;
	if (nvmev_ns_find(dev, le32_to_cpu(cmd->nsid)))
		return NVME_SC_FEATURE_NOT_PER_NS | NVME_SC_DNR;

	switch (fid) {
	case NVME_FEAT_ARBITRATION:
		WRITE_ONCE(features->arbitration, cdw11);
		break;
	case NVME_FEAT_POWER_MGMT:
		/* Power state 0 is the only one; the workload is a hint */
		if (cdw11 & 0x1f)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		features->power_state = cdw11 & 0xff;
		break;
	case NVME_FEAT_TEMP_THRESH:
		threshold = nvmev_temp_threshold(features, cdw11);
		*threshold = cdw11 & 0xffff;
		nvmev_check_temperature(dev);
		break;
	case NVME_FEAT_ERR_RECOVERY:
		/* DULBE needs a namespace that supports it */
		if (cdw11 & BIT(16))
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		features->error_recovery = cdw11 & 0xffff;
		break;
	case NVME_FEAT_VOLATILE_WC:
		features->volatile_wc = cdw11 & 1;
		break;
	case NVME_FEAT_NUM_QUEUES:
		return nvmev_set_num_queues(dev, cdw11, &result->dw0);
	case NVME_FEAT_IRQ_COALESCE:
		WRITE_ONCE(features->irq_coalesce, cdw11 & 0xffff);
		break;
	case NVME_FEAT_IRQ_CONFIG:
		vector = cdw11;
		/* The admin queue's vector is never coalesced, 5.21.1.9 */
		if (!vector && !(cdw11 & BIT(16)))
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		WRITE_ONCE(features->irq_no_coalesce[vector],
			   cdw11 >> 16 & 1);
		break;
	case NVME_FEAT_WRITE_ATOMIC:
		features->write_atomicity = cdw11 & 1;
		break;
	case NVME_FEAT_ASYNC_EVENT:
		features->async_event = cdw11;
		nvmev_check_temperature(dev);
		break;
	case NVME_FEAT_TIMESTAMP:
		return nvmev_set_timestamp(dev, cmd);
	case NVME_FEAT_HOST_ID:
		return nvmev_set_host_id(dev, cmd);
	}
	return NVME_SC_SUCCESS;
}

/* --- asynchronous events, 5.2 -------------------------------------------- */

/**
 * nvmev_admin_event() - an asynchronous event has happened
 * @dev: the device
 * @type: NVME_AER_TYPE_*
 * @info: what of it
 * @log: the log page that tells more
 *
 * Reported once, and not again before the host has read @log. An event of a
 * type that waits already is not kept beside it.
 *
 * Context: the controller thread.
 */
void nvmev_admin_event(struct nvmev_dev *dev, u8 type, u8 info, u8 log)
{
	struct nvmev_admin *admin = &dev->admin;

	if (test_bit(type, &admin->masked) || test_bit(type, &admin->events))
		return;
	admin->event_result[type] = type | info << 8 | log << 16;
	__set_bit(type, &admin->events);
}

/**
 * nvmev_admin_post_events() - complete held requests with what has happened
 * @dev: the device, enabled
 *
 * Context: the controller thread.
 */
void nvmev_admin_post_events(struct nvmev_dev *dev)
{
	struct nvmev_admin *admin = &dev->admin;
	unsigned int type;

	for_each_set_bit(type, &admin->events, NVMEV_AEN_BITS) {
		if (!admin->nr_aers || nvmev_cq_full(dev, admin->cq))
			return;
		nvmev_cq_post(admin->cq, admin->sq,
			      admin->aer_cids[--admin->nr_aers],
			      admin->event_result[type], NVME_SC_SUCCESS);
		__clear_bit(type, &admin->events);
		__set_bit(type, &admin->masked);
	}
}

static u16 nvmev_admin_async_event(struct nvmev_dev *dev,
				   const struct nvme_command *cmd,
				   struct nvmev_admin_result *result)
{
	struct nvmev_admin *admin = &dev->admin;

	if (admin->nr_aers == ARRAY_SIZE(admin->aer_cids))
		return NVME_SC_ASYNC_LIMIT | NVME_SC_DNR;
	admin->aer_cids[admin->nr_aers++] = cmd->cid;
	result->held = true;
	return NVME_SC_SUCCESS;
}

/* --- Abort, 5.1 ---------------------------------------------------------- */

static u16 nvmev_admin_abort(struct nvmev_dev *dev,
			     const struct nvme_command *cmd,
			     struct nvmev_admin_result *result)
{
	u16 sqid = nvmev_cdw(cmd, 10);
	u16 cid = nvmev_cdw(cmd, 10) >> 16;

	/* Bit 0: the command was not aborted */
	result->dw0 = 1;
	if (sqid > dev->config.queues || (sqid && !dev->sqs[sqid]))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (sqid && nvmev_worker_abort(dev->sqs[sqid], cid))
		result->dw0 = 0;
	return NVME_SC_SUCCESS;
}

/* --- namespace management, 5.19 and 5.20 ---------------------------------- */

/* The host learns by an event that it should look again, if it asked to */
static void nvmev_ns_changed(struct nvmev_dev *dev, const struct nvmev_ns *ns)
{
	__set_bit(ns->nsid - 1, &dev->admin.changed_ns);
	if (dev->admin.features.async_event & NVME_AEC_NS_ATTR)
		nvmev_admin_event(dev, NVME_AER_TYPE_NOTICE,
				  NVME_AER_NOTICE_NS_CHANGED,
				  NVME_LOG_CHANGED_NS);
}

static u8 nvmev_format_shift(u32 format)
{
	return format ? NVMEV_LBA_SHIFT_LAST : NVMEV_LBA_SHIFT_FIRST;
}

/* nvmev_admin_work() erases these namespaces and completes the command */
static void nvmev_format_start(struct nvmev_dev *dev,
			       const struct nvme_command *cmd,
			       unsigned long nsids, u8 lba_shift)
{
	struct nvmev_job *job = &dev->admin.job;

	memset(job, 0, sizeof(*job));
	job->nsids = nsids;
	job->lba_shift = lba_shift;
	job->cid = cmd->cid;
	job->held = true;
	job->running = true;
}

static u16 nvmev_ns_mgmt_create(struct nvmev_dev *dev,
				const struct nvme_command *cmd,
				struct nvmev_admin_result *result)
{
	struct nvme_id_ns *id = nvmev_admin_buf(dev);
	u16 status;
	u32 nsid;

	status = nvmev_prp_read(dev, cmd, 0, id, NVME_IDENTIFY_SIZE);
	if (status)
		return status;
	if ((id->flbas & 0xf) >= NVMEV_LBA_FORMATS || id->flbas >> 4 ||
	    id->dps)
		return NVME_SC_INVALID_FORMAT | NVME_SC_DNR;
	/* No thin provisioning, and not shared */
	if (!id->nsze || id->nsze != id->ncap || id->nmic)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (dev->admin.job.running)
		return NVME_SC_FORMAT_IN_PROGRESS;
	status = nvmev_ns_create(dev, le64_to_cpu(id->nsze),
				 nvmev_format_shift(id->flbas & 0xf), &nsid);
	if (status)
		return status;
	/* Nobody shall read what an earlier namespace held here */
	nvmev_format_start(dev, cmd, BIT(nsid - 1),
			   nvmev_format_shift(id->flbas & 0xf));
	dev->admin.job.dw0 = nsid;
	result->held = true;
	return NVME_SC_SUCCESS;
}

static u16 nvmev_ns_mgmt_delete(struct nvmev_dev *dev, u32 nsid)
{
	struct nvmev_ns *ns;
	unsigned int i;

	if (nsid != NVME_NSID_ALL && !nvmev_ns_find_allocated(dev, nsid))
		return NVME_SC_INVALID_NS | NVME_SC_DNR;
	if (dev->admin.job.running)
		return NVME_SC_FORMAT_IN_PROGRESS;
	for (i = 0; i < NVMEV_MAX_NS; i++) {
		ns = &dev->ns[i];
		if (!ns->nsid || (nsid != NVME_NSID_ALL && ns->nsid != nsid))
			continue;
		if (ns->attached)
			nvmev_ns_changed(dev, ns);
		nvmev_ns_delete(dev, ns);
	}
	return NVME_SC_SUCCESS;
}

static u16 nvmev_admin_ns_mgmt(struct nvmev_dev *dev,
			       const struct nvme_command *cmd,
			       struct nvmev_admin_result *result)
{
	switch (FIELD_GET(NVME_NS_MGMT_SEL, nvmev_cdw(cmd, 10))) {
	case NVME_NS_MGMT_CREATE:
		return nvmev_ns_mgmt_create(dev, cmd, result);
	case NVME_NS_MGMT_DELETE:
		return nvmev_ns_mgmt_delete(dev, le32_to_cpu(cmd->nsid));
	default:
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	}
}

static u16 nvmev_admin_ns_attach(struct nvmev_dev *dev,
				 const struct nvme_command *cmd,
				 struct nvmev_admin_result *result)
{
	u32 sel = FIELD_GET(NVME_NS_MGMT_SEL, nvmev_cdw(cmd, 10));
	struct nvmev_ns *ns = nvmev_ns_find_allocated(dev,
						      le32_to_cpu(cmd->nsid));
	__le16 list[2];
	u16 status;

	if (sel > NVME_NS_ATTACH_DETACH)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (!ns)
		return NVME_SC_INVALID_NS | NVME_SC_DNR;
	status = nvmev_prp_read(dev, cmd, 0, list, sizeof(list));
	if (status)
		return status;
	if (le16_to_cpu(list[0]) != 1 || le16_to_cpu(list[1]) != NVMEV_CNTLID)
		return NVME_SC_CTRL_LIST_INVALID | NVME_SC_DNR;
	if (sel == NVME_NS_ATTACH_ATTACH && ns->attached)
		return NVME_SC_NS_ALREADY_ATTACHED | NVME_SC_DNR;
	if (sel == NVME_NS_ATTACH_DETACH && !ns->attached)
		return NVME_SC_NS_NOT_ATTACHED | NVME_SC_DNR;
	status = nvmev_ns_busy(ns);
	if (status)
		return status;
	nvmev_ns_set_attached(dev, ns, sel == NVME_NS_ATTACH_ATTACH);
	nvmev_ns_changed(dev, ns);
	return NVME_SC_SUCCESS;
}

/* --- Format NVM, 5.23 -------------------------------------------------------- */

static u16 nvmev_admin_format(struct nvmev_dev *dev,
			      const struct nvme_command *cmd,
			      struct nvmev_admin_result *result)
{
	u32 cdw10 = nvmev_cdw(cmd, 10);
	u32 lbaf = FIELD_GET(NVME_FORMAT_LBAF, cdw10);
	u32 nsid = le32_to_cpu(cmd->nsid);
	unsigned long nsids = 0;
	unsigned int i;

	if (dev->admin.job.running)
		return NVME_SC_FORMAT_IN_PROGRESS;
	if (lbaf >= NVMEV_LBA_FORMATS || FIELD_GET(NVME_FORMAT_PI, cdw10))
		return NVME_SC_INVALID_FORMAT | NVME_SC_DNR;
	if (FIELD_GET(NVME_FORMAT_SES, cdw10) > NVME_FORMAT_SES_CRYPTO)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (nsid != NVME_NSID_ALL && !nvmev_ns_find_allocated(dev, nsid))
		return NVME_SC_INVALID_NS | NVME_SC_DNR;

	for (i = 0; i < NVMEV_MAX_NS; i++) {
		struct nvmev_ns *ns = &dev->ns[i];

		if (!ns->nsid || (nsid != NVME_NSID_ALL && ns->nsid != nsid))
			continue;
		nvmev_ns_quiesce(dev, ns, NVME_SC_FORMAT_IN_PROGRESS);
		__set_bit(i, &nsids);
	}
	nvmev_format_start(dev, cmd, nsids, nvmev_format_shift(lbaf));
	result->held = true;
	return NVME_SC_SUCCESS;
}

/* Erases a slice; a format always erases, whatever SES says */
static void nvmev_format_slice(struct nvmev_dev *dev, struct nvmev_job *job)
{
	unsigned int i = __ffs(job->nsids);
	struct nvmev_ns *ns = &dev->ns[i];
	u64 len = min_t(u64, ns->bytes - job->pos, NVMEV_FORMAT_SLICE);

	memset(dev->storage + ns->offset + job->pos, 0, len);
	job->pos += len;
	if (job->pos < ns->bytes)
		return;

	nvmev_ns_set_format(ns, job->lba_shift);
	nvmev_ns_ready(ns);
	if (ns->attached)
		nvmev_ns_changed(dev, ns);
	job->pos = 0;
	__clear_bit(i, &job->nsids);
}

/**
 * nvmev_admin_work() - a slice of a command that takes longer
 * @dev: the device
 *
 * It goes on through a reset, after which nobody waits for its completion.
 *
 * Context: the controller thread.
 * Return: whether there is such a command.
 */
bool nvmev_admin_work(struct nvmev_dev *dev)
{
	struct nvmev_admin *admin = &dev->admin;
	struct nvmev_job *job = &admin->job;

	if (likely(!job->running))
		return false;
	if (job->nsids) {
		nvmev_format_slice(dev, job);
		return true;
	}
	if (job->held) {
		if (!READ_ONCE(dev->dma) || nvmev_cq_full(dev, admin->cq))
			return true;
		nvmev_cq_post(admin->cq, admin->sq, job->cid, job->dw0,
			      NVME_SC_SUCCESS);
		nvmev_cq_signal(dev, admin->cq, 0);
		job->held = false;
	}
	job->running = false;
	return true;
}

/* --- dispatch ------------------------------------------------------------ */

struct nvmev_admin_op {
	u8 opcode;
	u32 effects;
	u16 (*execute)(struct nvmev_dev *dev, const struct nvme_command *cmd,
		       struct nvmev_admin_result *result);
};

static const struct nvmev_admin_op nvmev_admin_ops[] = {
	{ NVME_ADMIN_DELETE_SQ, 0, nvmev_admin_delete_sq },
	{ NVME_ADMIN_CREATE_SQ, 0, nvmev_admin_create_sq },
	{ NVME_ADMIN_GET_LOG_PAGE, 0, nvmev_admin_get_log_page },
	{ NVME_ADMIN_DELETE_CQ, 0, nvmev_admin_delete_cq },
	{ NVME_ADMIN_CREATE_CQ, 0, nvmev_admin_create_cq },
	{ NVME_ADMIN_IDENTIFY, 0, nvmev_admin_identify },
	{ NVME_ADMIN_ABORT, 0, nvmev_admin_abort },
	{ NVME_ADMIN_SET_FEATURES, 0, nvmev_admin_set_features },
	{ NVME_ADMIN_GET_FEATURES, 0, nvmev_admin_get_features },
	{ NVME_ADMIN_ASYNC_EVENT, 0, nvmev_admin_async_event },
	{ NVME_ADMIN_NS_MGMT, NVME_EFFECT_NIC, nvmev_admin_ns_mgmt },
	{ NVME_ADMIN_NS_ATTACH, NVME_EFFECT_NIC, nvmev_admin_ns_attach },
	{ NVME_ADMIN_FORMAT_NVM, NVME_EFFECT_LBCC | NVME_EFFECT_NCC |
	  NVME_EFFECT_CSE_NS, nvmev_admin_format },
};

static void nvmev_log_effects(struct nvme_effects_log *log)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nvmev_admin_ops); i++)
		log->acs[nvmev_admin_ops[i].opcode] =
			cpu_to_le32(NVME_EFFECT_CSUPP |
				    nvmev_admin_ops[i].effects);
	nvmev_nvm_effects(log->iocs);
}

/**
 * nvmev_admin_execute() - execute one admin command
 * @dev: the device
 * @cmd: the command, a copy
 * @result: zeroes at first
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_execute(struct nvmev_dev *dev, const struct nvme_command *cmd,
			struct nvmev_admin_result *result)
{
	unsigned int i;

	/* Neither fused commands nor, ever, SGLs: 4.1 and 4.4 */
	if (cmd->flags & (NVME_CMD_FUSE | NVME_CMD_PSDT))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;

	for (i = 0; i < ARRAY_SIZE(nvmev_admin_ops); i++)
		if (nvmev_admin_ops[i].opcode == cmd->opcode)
			return nvmev_admin_ops[i].execute(dev, cmd, result);
	return NVME_SC_INVALID_OPCODE | NVME_SC_DNR;
}

/**
 * nvmev_admin_reset() - forget what a reset of the controller forgets
 * @dev: the device
 *
 * Held requests are dropped without a completion (5.2), features go back to
 * their defaults. The logs stay.
 *
 * Context: the controller thread, or load.
 */
void nvmev_admin_reset(struct nvmev_dev *dev)
{
	struct nvmev_admin *admin = &dev->admin;

	admin->nr_aers = 0;
	admin->events = 0;
	admin->masked = 0;
	admin->job.held = false;
	nvmev_features_init(dev);
}
