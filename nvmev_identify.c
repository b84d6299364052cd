// SPDX-License-Identifier: GPL-2.0
/*
 * Identify (NVMe 1.4, 5.15): what the controller and its namespaces are.
 *
 * Runs in the controller thread.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "nvmev_admin.h"

/* An unregistered vendor ID, "nv" and "me"; see nvmev_pci_init.c */
#define NVMEV_VENDOR_ID		0x6e76

/* Shutdown is over at once; in microseconds, so that no host waits longer */
#define NVMEV_RTD3_US		1000000

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
	id->oacs = cpu_to_le16(NVME_ID_OACS_FORMAT | NVME_ID_OACS_NS_MGMT |
			       NVME_ID_OACS_SELF_TEST);
	if (dev->config.dbbuf)
		id->oacs |= cpu_to_le16(NVME_ID_OACS_DBBUF);
	/* In minutes: see nvmev_self_test.c */
	id->edstt = cpu_to_le16(1);
	id->dsto = NVME_ID_DSTO_ONE;
	id->sanicap = cpu_to_le32(NVME_ID_SANICAP_CRYPTO |
				  NVME_ID_SANICAP_BLOCK |
				  NVME_ID_SANICAP_OVERWRITE |
				  NVME_ID_SANICAP_NO_CHANGE);
	id->sqes = NVME_SQES << 4 | NVME_SQES;
	id->cqes = NVME_CQES << 4 | NVME_CQES;
	id->nn = cpu_to_le32(NVMEV_MAX_NS);
	id->oncs = cpu_to_le16(NVME_ID_ONCS_COMPARE | NVME_ID_ONCS_DSM |
			       NVME_ID_ONCS_WRITE_UNCOR |
			       NVME_ID_ONCS_WRITE_ZEROES | NVME_ID_ONCS_SELECT |
			       NVME_ID_ONCS_TIMESTAMP | NVME_ID_ONCS_VERIFY |
			       NVME_ID_ONCS_COPY);
	id->ocfs = cpu_to_le16(NVME_ID_OCFS_FORMAT_0);
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
	/*
	 * Locally administered, the same whenever this range is loaded, and
	 * another for each namespace that is made after that.
	 */
	put_unaligned_be64(dev->config.start >> 20 |
			   (u64)(ns->generation & 0xfff) << 32 |
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
	/* Of more a Read, which goes by the page, might see one part written */
	id->nabsn = id->nacwu;
	id->fpi = NVME_ID_NS_FPI_SUPPORTED | nvmev_format_remains(dev, ns);
	id->mssrl = cpu_to_le16(NVMEV_COPY_RANGE_LBAS);
	id->mcl = cpu_to_le32(NVMEV_COPY_LBAS);
	id->msrc = NVMEV_COPY_RANGES - 1;
	put_unaligned_le64(nvmev_ns_allocated(dev, ns), id->nvmcap);
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

/**
 * nvmev_admin_identify() - execute Identify
 * @dev: the device
 * @cmd: the command, a copy
 * @result: what else comes of it
 *
 * Context: the controller thread.
 * Return: the status.
 */
u16 nvmev_admin_identify(struct nvmev_dev *dev, const struct nvme_command *cmd,
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
		if (nsid == NVME_NSID_ALL)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
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
