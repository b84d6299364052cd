/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wire formats and constants of the NVM Express Base Specification, revision
 * 1.4, as far as the module uses them. Everything the host sees is
 * little-endian. Section numbers are those of the specification.
 */
#ifndef _NVME_H
#define _NVME_H

#include <linux/types.h>

#include "nvmev_compat.h"

/* Controller registers, 3.1 */
#define NVME_REG_CAP			0x00
#define NVME_REG_VS			0x08
#define NVME_REG_INTMS			0x0c
#define NVME_REG_INTMC			0x10
#define NVME_REG_CC			0x14
#define NVME_REG_CSTS			0x1c
#define NVME_REG_NSSR			0x20
#define NVME_REG_AQA			0x24
#define NVME_REG_ASQ			0x28
#define NVME_REG_ACQ			0x30
/* Controller memory buffer and boot partitions, 3.1.11 on */
#define NVME_REG_CMBLOC			0x38
#define NVME_REG_CMB_END		0x60
/* Persistent memory region */
#define NVME_REG_PMRCAP			0xe00
#define NVME_REG_PMR_END		0xe20
#define NVME_REG_DBS			0x1000

/* CAP, 3.1.1 */
#define NVME_CAP_MQES			GENMASK_ULL(15, 0)
#define NVME_CAP_CQR			BIT_ULL(16)
#define NVME_CAP_AMS_WRR		BIT_ULL(17)
#define NVME_CAP_TO			GENMASK_ULL(31, 24)
#define NVME_CAP_NSSRS			BIT_ULL(36)
#define NVME_CAP_CSS_NVM		BIT_ULL(37)

/* VS, 3.1.2 */
#define NVME_VS_1_4			0x00010400

/* CC, 3.1.5 */
#define NVME_CC_EN			BIT(0)
#define NVME_CC_CSS			GENMASK(6, 4)
#define NVME_CC_MPS			GENMASK(10, 7)
#define NVME_CC_AMS			GENMASK(13, 11)
#define NVME_CC_AMS_RR			0
#define NVME_CC_AMS_WRR			1
#define NVME_CC_SHN			GENMASK(15, 14)
#define NVME_CC_IOSQES			GENMASK(19, 16)
#define NVME_CC_IOCQES			GENMASK(23, 20)
#define NVME_CC_DEFINED \
	(NVME_CC_EN | NVME_CC_CSS | NVME_CC_MPS | NVME_CC_AMS | NVME_CC_SHN | \
	 NVME_CC_IOSQES | NVME_CC_IOCQES)

/* CSTS, 3.1.6 */
#define NVME_CSTS_RDY			BIT(0)
#define NVME_CSTS_CFS			BIT(1)
#define NVME_CSTS_SHST			GENMASK(3, 2)
#define NVME_CSTS_NSSRO			BIT(4)
#define NVME_CSTS_SHST_COMPLETE		2

/* NSSR, 3.1.7: the value that starts a subsystem reset, "NVMe" */
#define NVME_NSSR_RESET			0x4e564d65

/* AQA, 3.1.8; both sizes are zero's based */
#define NVME_AQA_ASQS			GENMASK(11, 0)
#define NVME_AQA_ACQS			GENMASK(27, 16)

/* log2 of the only entry sizes that exist, Identify SQES and CQES */
#define NVME_SQES			6
#define NVME_CQES			4

#define NVME_PAGE_SHIFT			12
#define NVME_PAGE_SIZE			((u32)BIT(NVME_PAGE_SHIFT))
#define NVME_PAGE_MASK			(~(u64)(NVME_PAGE_SIZE - 1))

#define NVME_NSID_ALL			0xffffffff

/* Admin command opcodes, 5 */
enum nvme_admin_opcode {
	NVME_ADMIN_DELETE_SQ		= 0x00,
	NVME_ADMIN_CREATE_SQ		= 0x01,
	NVME_ADMIN_GET_LOG_PAGE		= 0x02,
	NVME_ADMIN_DELETE_CQ		= 0x04,
	NVME_ADMIN_CREATE_CQ		= 0x05,
	NVME_ADMIN_IDENTIFY		= 0x06,
	NVME_ADMIN_ABORT		= 0x08,
	NVME_ADMIN_SET_FEATURES		= 0x09,
	NVME_ADMIN_GET_FEATURES		= 0x0a,
	NVME_ADMIN_ASYNC_EVENT		= 0x0c,
	NVME_ADMIN_NS_MGMT		= 0x0d,
	NVME_ADMIN_SELF_TEST		= 0x14,
	NVME_ADMIN_NS_ATTACH		= 0x15,
	NVME_ADMIN_DBBUF_CONFIG		= 0x7c,
	NVME_ADMIN_FORMAT_NVM		= 0x80,
	NVME_ADMIN_SANITIZE		= 0x84,
};

/* NVM command opcodes, 6 */
enum nvme_nvm_opcode {
	NVME_NVM_FLUSH			= 0x00,
	NVME_NVM_WRITE			= 0x01,
	NVME_NVM_READ			= 0x02,
	NVME_NVM_WRITE_UNCOR		= 0x04,
	NVME_NVM_COMPARE		= 0x05,
	NVME_NVM_WRITE_ZEROES		= 0x08,
	NVME_NVM_DSM			= 0x09,
	NVME_NVM_VERIFY			= 0x0c,
	/* Of TP4065, later in revision 2.0 */
	NVME_NVM_COPY			= 0x19,
};

/* Status: code type in bits 10:8, code in bits 7:0, 4.6.1 */
enum nvme_status {
	NVME_SC_SUCCESS			= 0x000,
	NVME_SC_INVALID_OPCODE		= 0x001,
	NVME_SC_INVALID_FIELD		= 0x002,
	NVME_SC_DATA_XFER_ERROR		= 0x004,
	NVME_SC_INTERNAL		= 0x006,
	NVME_SC_ABORT_REQ		= 0x007,
	NVME_SC_FUSED_FAIL		= 0x009,
	NVME_SC_FUSED_MISSING		= 0x00a,
	NVME_SC_INVALID_NS		= 0x00b,
	NVME_SC_CMD_SEQ_ERROR		= 0x00c,
	NVME_SC_PRP_OFFSET_INVALID	= 0x013,
	NVME_SC_ATOMIC_WRITE_UNIT	= 0x014,
	NVME_SC_SANITIZE_FAILED		= 0x01c,
	NVME_SC_SANITIZE_IN_PROGRESS	= 0x01d,
	NVME_SC_LBA_RANGE		= 0x080,
	NVME_SC_CAP_EXCEEDED		= 0x081,
	NVME_SC_FORMAT_IN_PROGRESS	= 0x084,

	NVME_SC_CQ_INVALID		= 0x100,
	NVME_SC_QID_INVALID		= 0x101,
	NVME_SC_QUEUE_SIZE		= 0x102,
	NVME_SC_ASYNC_LIMIT		= 0x105,
	NVME_SC_INVALID_VECTOR		= 0x108,
	NVME_SC_INVALID_LOG_PAGE	= 0x109,
	NVME_SC_INVALID_FORMAT		= 0x10a,
	NVME_SC_INVALID_QUEUE		= 0x10c,
	NVME_SC_FEATURE_NOT_SAVEABLE	= 0x10d,
	NVME_SC_FEATURE_NOT_PER_NS	= 0x10f,
	NVME_SC_NS_INSUFFICIENT_CAP	= 0x115,
	NVME_SC_NS_ID_UNAVAILABLE	= 0x116,
	NVME_SC_NS_ALREADY_ATTACHED	= 0x118,
	NVME_SC_NS_NOT_ATTACHED		= 0x11a,
	NVME_SC_THIN_PROV_NOT_SUPP	= 0x11b,
	NVME_SC_CTRL_LIST_INVALID	= 0x11c,
	NVME_SC_SELF_TEST_IN_PROGRESS	= 0x11d,

	NVME_SC_CMD_SIZE_LIMIT		= 0x183,

	NVME_SC_READ_ERROR		= 0x281,
	NVME_SC_COMPARE_FAILED		= 0x285,

	/* The code and its type, without the bits that follow */
	NVME_SC_MASK			= 0x7ff,
	/* More, bit 13 of the status without the phase bit: see the error log */
	NVME_SC_MORE			= 0x2000,
	/* Do Not Retry, bit 14 */
	NVME_SC_DNR			= 0x4000,
};

/* Phase tag: bit 0 of the status word of a completion, 4.6 */
#define NVME_CQE_PHASE			BIT(0)

/* CDW0, 4.2 */
#define NVME_CMD_FUSE			GENMASK(1, 0)
#define NVME_CMD_FUSE_FIRST		1
#define NVME_CMD_FUSE_SECOND		2
#define NVME_CMD_PSDT			GENMASK(7, 6)

/* Submission queue entry, 4.2 */
struct nvme_command {
	u8	opcode;
	u8	flags;
	__le16	cid;
	__le32	nsid;
	__le32	cdw2;
	__le32	cdw3;
	__le64	mptr;
	__le64	prp1;
	__le64	prp2;
	__le32	cdw10;
	__le32	cdw11;
	__le32	cdw12;
	__le32	cdw13;
	__le32	cdw14;
	__le32	cdw15;
};

static_assert(sizeof(struct nvme_command) == 1 << NVME_SQES);

/* Completion queue entry, 4.6 */
struct nvme_completion {
	__le32	result;
	__le32	rsvd;
	__le16	sq_head;
	__le16	sq_id;
	__le16	cid;
	__le16	status;
};

static_assert(sizeof(struct nvme_completion) == 1 << NVME_CQES);

/* Create I/O queue, CDW11, 5.3 and 5.4 */
#define NVME_QUEUE_PC			BIT(0)
#define NVME_CQ_IEN			BIT(1)
#define NVME_SQ_QPRIO			GENMASK(2, 1)

/* QPRIO: priority classes of weighted round robin, 4.13 */
enum nvme_sq_priority {
	NVME_SQ_URGENT,
	NVME_SQ_HIGH,
	NVME_SQ_MEDIUM,
	NVME_SQ_LOW,
	NVME_SQ_PRIORITIES,
};

/* Arbitration, 5.21.1.1; the weights are zero's based */
#define NVME_ARB_BURST			GENMASK(2, 0)
#define NVME_ARB_LOW			GENMASK(15, 8)
#define NVME_ARB_MEDIUM			GENMASK(23, 16)
#define NVME_ARB_HIGH			GENMASK(31, 24)

/* Read, Write and the like, CDW12, 6.9 and 6.15 */
#define NVME_RW_NLB			GENMASK(15, 0)

/* Dataset Management, 6.7 */
#define NVME_DSM_NR			GENMASK(7, 0)
#define NVME_DSM_AD			BIT(2)

struct nvme_dsm_range {
	__le32	cattr;
	__le32	nlb;
	__le64	slba;
};

static_assert(sizeof(struct nvme_dsm_range) == 16);

/* Copy, TP4065: CDW12, and a source range of format 0 */
#define NVME_COPY_NR			GENMASK(7, 0)
#define NVME_COPY_FORMAT		GENMASK(11, 8)

struct nvme_copy_range {
	__le64	rsvd0;
	__le64	slba;
	__le16	nlb;
	u8	rsvd18[6];
	__le32	eilbrt;
	__le16	elbat;
	__le16	elbatm;
};

static_assert(sizeof(struct nvme_copy_range) == 32);

/* Identify, 5.15 */
enum nvme_identify_cns {
	NVME_ID_CNS_NS			= 0x00,
	NVME_ID_CNS_CTRL		= 0x01,
	NVME_ID_CNS_NS_ACTIVE_LIST	= 0x02,
	NVME_ID_CNS_NS_DESC_LIST	= 0x03,
	NVME_ID_CNS_NS_ALLOCATED_LIST	= 0x10,
	NVME_ID_CNS_NS_ALLOCATED	= 0x11,
	NVME_ID_CNS_NS_CTRL_LIST	= 0x12,
	NVME_ID_CNS_CTRL_LIST		= 0x13,
};

#define NVME_IDENTIFY_SIZE		4096

struct nvme_id_power_state {
	__le16	mp;
	u8	rsvd2;
	u8	flags;
	__le32	enlat;
	__le32	exlat;
	u8	rrt;
	u8	rrl;
	u8	rwt;
	u8	rwl;
	__le16	idlp;
	u8	ips;
	u8	rsvd19;
	__le16	actp;
	u8	apws;
	u8	rsvd23[9];
};

static_assert(sizeof(struct nvme_id_power_state) == 32);

/* Figure 247 */
struct nvme_id_ctrl {
	__le16	vid;
	__le16	ssvid;
	char	sn[20];
	char	mn[40];
	char	fr[8];
	u8	rab;
	u8	ieee[3];
	u8	cmic;
	u8	mdts;
	__le16	cntlid;
	__le32	ver;
	__le32	rtd3r;
	__le32	rtd3e;
	__le32	oaes;
	__le32	ctratt;
	__le16	rrls;
	u8	rsvd102[9];
	u8	cntrltype;
	u8	fguid[16];
	__le16	crdt1;
	__le16	crdt2;
	__le16	crdt3;
	u8	rsvd134[119];
	u8	nvmsr;
	u8	vwci;
	u8	mec;
	__le16	oacs;
	u8	acl;
	u8	aerl;
	u8	frmw;
	u8	lpa;
	u8	elpe;
	u8	npss;
	u8	avscc;
	u8	apsta;
	__le16	wctemp;
	__le16	cctemp;
	__le16	mtfa;
	__le32	hmpre;
	__le32	hmmin;
	u8	tnvmcap[16];
	u8	unvmcap[16];
	__le32	rpmbs;
	__le16	edstt;
	u8	dsto;
	u8	fwug;
	__le16	kas;
	__le16	hctma;
	__le16	mntmt;
	__le16	mxtmt;
	__le32	sanicap;
	__le32	hmminds;
	__le16	hmmaxd;
	__le16	nsetidmax;
	__le16	endgidmax;
	u8	anatt;
	u8	anacap;
	__le32	anagrpmax;
	__le32	nanagrpid;
	__le32	pels;
	u8	rsvd356[156];
	u8	sqes;
	u8	cqes;
	__le16	maxcmd;
	__le32	nn;
	__le16	oncs;
	__le16	fuses;
	u8	fna;
	u8	vwc;
	__le16	awun;
	__le16	awupf;
	u8	nvscc;
	u8	nwpc;
	__le16	acwu;
	__le16	ocfs;
	__le32	sgls;
	__le32	mnan;
	u8	rsvd544[224];
	char	subnqn[256];
	u8	rsvd1024[1024];
	struct nvme_id_power_state psd[32];
	u8	vs[1024];
};

static_assert(sizeof(struct nvme_id_ctrl) == NVME_IDENTIFY_SIZE);

#define NVME_ID_CNTRLTYPE_IO		1
#define NVME_ID_CTRATT_HOST_ID_128	BIT(0)
#define NVME_ID_OAES_NS_ATTR		BIT(8)
#define NVME_ID_OACS_FORMAT		BIT(1)
#define NVME_ID_OACS_NS_MGMT		BIT(3)
#define NVME_ID_OACS_SELF_TEST		BIT(4)
#define NVME_ID_OACS_DBBUF		BIT(8)
/* One self-test at a time in the whole subsystem */
#define NVME_ID_DSTO_ONE		BIT(0)
#define NVME_ID_SANICAP_CRYPTO		BIT(0)
#define NVME_ID_SANICAP_BLOCK		BIT(1)
#define NVME_ID_SANICAP_OVERWRITE	BIT(2)
/* NODMMAS, bits 31:30: No-Deallocate costs no further change of the media */
#define NVME_ID_SANICAP_NO_CHANGE	BIT(30)
#define NVME_ID_FNA_CRYPTO_ERASE	BIT(2)
#define NVME_ID_FUSES_COMPARE_WRITE	BIT(0)
#define NVME_ID_LPA_CSE			BIT(1)
#define NVME_ID_LPA_EXT			BIT(2)
#define NVME_ID_FRMW_SLOT1_RO		BIT(0)
/* Bits 3:1: the number of slots */
#define NVME_ID_FRMW_ONE_SLOT		BIT(1)
#define NVME_ID_ONCS_COMPARE		BIT(0)
#define NVME_ID_ONCS_WRITE_UNCOR	BIT(1)
#define NVME_ID_ONCS_DSM		BIT(2)
#define NVME_ID_ONCS_WRITE_ZEROES	BIT(3)
#define NVME_ID_ONCS_SELECT		BIT(4)
#define NVME_ID_ONCS_TIMESTAMP		BIT(6)
#define NVME_ID_ONCS_VERIFY		BIT(7)
#define NVME_ID_ONCS_COPY		BIT(8)
/* Copy takes source ranges of format 0 */
#define NVME_ID_OCFS_FORMAT_0		BIT(0)
/* The Flush command takes the broadcast NSID */
#define NVME_ID_VWC_FLUSH_ALL		(3 << 1)
#define NVME_ID_VWC_PRESENT		BIT(0)

struct nvme_lbaf {
	__le16	ms;
	u8	lbads;
	u8	rp;
};

/* Figure 245 */
struct nvme_id_ns {
	__le64	nsze;
	__le64	ncap;
	__le64	nuse;
	u8	nsfeat;
	u8	nlbaf;
	u8	flbas;
	u8	mc;
	u8	dpc;
	u8	dps;
	u8	nmic;
	u8	rescap;
	u8	fpi;
	u8	dlfeat;
	__le16	nawun;
	__le16	nawupf;
	__le16	nacwu;
	__le16	nabsn;
	__le16	nabo;
	__le16	nabspf;
	__le16	noiob;
	u8	nvmcap[16];
	__le16	npwg;
	__le16	npwa;
	__le16	npdg;
	__le16	npda;
	__le16	nows;
	__le16	mssrl;
	__le32	mcl;
	u8	msrc;
	u8	rsvd81[11];
	__le32	anagrpid;
	u8	rsvd96[3];
	u8	nsattr;
	__le16	nvmsetid;
	__le16	endgid;
	u8	nguid[16];
	u8	eui64[8];
	struct nvme_lbaf lbaf[16];
	u8	rsvd192[192];
	u8	vs[3712];
};

static_assert(sizeof(struct nvme_id_ns) == NVME_IDENTIFY_SIZE);

/* Namespace Management, 5.20, and Attachment, 5.19: CDW10 */
#define NVME_NS_MGMT_SEL		GENMASK(3, 0)
#define NVME_NS_MGMT_CREATE		0
#define NVME_NS_MGMT_DELETE		1
#define NVME_NS_ATTACH_ATTACH		0
#define NVME_NS_ATTACH_DETACH		1

/* Format NVM, 5.23: CDW10 */
#define NVME_FORMAT_LBAF		GENMASK(3, 0)
#define NVME_FORMAT_PI			GENMASK(7, 5)
#define NVME_FORMAT_SES			GENMASK(11, 9)
#define NVME_FORMAT_SES_CRYPTO		2

/* Device Self-test, 5.8: CDW10 */
#define NVME_SELF_TEST_CODE		GENMASK(3, 0)

enum nvme_self_test_code {
	NVME_SELF_TEST_NONE		= 0x0,
	NVME_SELF_TEST_SHORT		= 0x1,
	NVME_SELF_TEST_EXTENDED		= 0x2,
	NVME_SELF_TEST_ABORT		= 0xf,
};

/* Sanitize, 5.24: CDW10 */
#define NVME_SANITIZE_ACTION		GENMASK(2, 0)
#define NVME_SANITIZE_OWPASS		GENMASK(7, 4)
#define NVME_SANITIZE_OIPBP		BIT(8)
#define NVME_SANITIZE_NO_DEALLOC	BIT(9)

enum nvme_sanitize_action {
	NVME_SANITIZE_EXIT_FAILURE	= 1,
	NVME_SANITIZE_BLOCK_ERASE	= 2,
	NVME_SANITIZE_OVERWRITE		= 3,
	NVME_SANITIZE_CRYPTO_ERASE	= 4,
};

/* FPI: bits 6:0 are the percentage of a format that remains */
#define NVME_ID_NS_FPI_SUPPORTED	BIT(7)

/* NSFEAT: NAWUN, NAWUPF and NACWU are this namespace's own */
#define NVME_ID_NS_NSABP		BIT(1)

/* Deallocated blocks read as zeroes, and Write Zeroes may deallocate */
#define NVME_ID_NS_DLFEAT_ZEROES	1
#define NVME_ID_NS_DLFEAT_WZ_DEAC	BIT(3)

/* Namespace identification descriptor, figure 249 */
struct nvme_ns_id_desc {
	u8	nidt;
	u8	nidl;
	__le16	rsvd2;
};

#define NVME_NIDT_EUI64			1
#define NVME_NIDT_NGUID			2

/* Get Log Page, 5.14 */
enum nvme_log_id {
	NVME_LOG_ERROR			= 0x01,
	NVME_LOG_SMART			= 0x02,
	NVME_LOG_FW_SLOT		= 0x03,
	NVME_LOG_CHANGED_NS		= 0x04,
	NVME_LOG_CMD_EFFECTS		= 0x05,
	NVME_LOG_SELF_TEST		= 0x06,
	NVME_LOG_SANITIZE		= 0x81,
};

#define NVME_LOG_RAE			BIT(15)

/* Error log: the submission queue and command of an error that has none */
#define NVME_ERROR_NO_COMMAND		0xffff

/* 5.14.1.1 */
struct nvme_error_log_entry {
	__le64	error_count;
	__le16	sqid;
	__le16	cid;
	__le16	status;
	__le16	param_error_location;
	__le64	lba;
	__le32	nsid;
	u8	vs;
	u8	trtype;
	u8	rsvd30[2];
	__le64	cs;
	__le16	trtype_spec;
	u8	rsvd42[22];
};

static_assert(sizeof(struct nvme_error_log_entry) == 64);

/* 5.14.1.2 */
struct nvme_smart_log {
	u8	critical_warning;
	__le16	temperature;
	u8	avail_spare;
	u8	spare_thresh;
	u8	percent_used;
	u8	endu_grp_crit_warn;
	u8	rsvd7[25];
	u8	data_units_read[16];
	u8	data_units_written[16];
	u8	host_reads[16];
	u8	host_writes[16];
	u8	ctrl_busy_time[16];
	u8	power_cycles[16];
	u8	power_on_hours[16];
	u8	unsafe_shutdowns[16];
	u8	media_errors[16];
	u8	num_err_log_entries[16];
	__le32	warning_temp_time;
	__le32	critical_comp_time;
	__le16	temp_sensor[8];
	__le32	thm_temp1_trans_count;
	__le32	thm_temp2_trans_count;
	__le32	thm_temp1_total_time;
	__le32	thm_temp2_total_time;
	u8	rsvd232[280];
} __packed;

static_assert(sizeof(struct nvme_smart_log) == 512);

/* 5.14.1.3 */
struct nvme_fw_slot_log {
	u8	afi;
	u8	rsvd1[7];
	char	frs[7][8];
	u8	rsvd64[448];
};

static_assert(sizeof(struct nvme_fw_slot_log) == 512);

/* 5.14.1.5 */
struct nvme_effects_log {
	__le32	acs[256];
	__le32	iocs[256];
	u8	rsvd2048[2048];
};

static_assert(sizeof(struct nvme_effects_log) == 4096);

#define NVME_EFFECT_CSUPP		BIT(0)
#define NVME_EFFECT_LBCC		BIT(1)
#define NVME_EFFECT_NCC			BIT(2)
#define NVME_EFFECT_NIC			BIT(3)
/* Submission and execution, bits 18:16: no other command to the namespace */
#define NVME_EFFECT_CSE_NS		BIT(16)

/* Submission and execution: no other command to any namespace */
#define NVME_EFFECT_CSE_ALL		BIT(17)

/* 5.14.1.6 */
struct nvme_self_test_result {
	u8	status;
	u8	segment;
	u8	valid;
	u8	rsvd3;
	__le64	power_on_hours;
	__le32	nsid;
	__le64	lba;
	u8	sct;
	u8	sc;
	u8	vs[2];
} __packed;

static_assert(sizeof(struct nvme_self_test_result) == 28);

#define NVME_SELF_TEST_RESULTS		20

struct nvme_self_test_log {
	u8	current_op;
	u8	completion;
	u8	rsvd2[2];
	struct nvme_self_test_result results[NVME_SELF_TEST_RESULTS];
} __packed;

static_assert(sizeof(struct nvme_self_test_log) == 564);

/* Status of a result, bits 3:0; the code is in bits 7:4 */
enum nvme_self_test_status {
	NVME_SELF_TEST_PASSED		= 0x0,
	NVME_SELF_TEST_BY_COMMAND	= 0x1,
	NVME_SELF_TEST_BY_RESET		= 0x2,
	NVME_SELF_TEST_BY_NS_REMOVAL	= 0x3,
	NVME_SELF_TEST_BY_FORMAT	= 0x4,
	NVME_SELF_TEST_BY_SANITIZE	= 0x9,
	NVME_SELF_TEST_UNUSED		= 0xf,
};

/* 5.14.1.16.2 */
struct nvme_sanitize_log {
	__le16	sprog;
	__le16	sstat;
	__le32	scdw10;
	__le32	estimates[6];
	u8	rsvd32[480];
};

static_assert(sizeof(struct nvme_sanitize_log) == 512);

#define NVME_SANITIZE_NO_PROGRESS	0xffff
#define NVME_SANITIZE_NEVER		0
#define NVME_SANITIZE_DONE		1
#define NVME_SANITIZE_RUNNING		2
#define NVME_SANITIZE_PASSES		GENMASK(7, 3)
#define NVME_SANITIZE_ALL_ERASED	BIT(8)
#define NVME_SANITIZE_NO_ESTIMATE	0xffffffff

/* Features, 5.21.1 */
enum nvme_feature_id {
	NVME_FEAT_ARBITRATION		= 0x01,
	NVME_FEAT_POWER_MGMT		= 0x02,
	NVME_FEAT_TEMP_THRESH		= 0x04,
	NVME_FEAT_ERR_RECOVERY		= 0x05,
	NVME_FEAT_VOLATILE_WC		= 0x06,
	NVME_FEAT_NUM_QUEUES		= 0x07,
	NVME_FEAT_IRQ_COALESCE		= 0x08,
	NVME_FEAT_IRQ_CONFIG		= 0x09,
	NVME_FEAT_WRITE_ATOMIC		= 0x0a,
	NVME_FEAT_ASYNC_EVENT		= 0x0b,
	NVME_FEAT_TIMESTAMP		= 0x0e,
	NVME_FEAT_HOST_ID		= 0x81,
};

#define NVME_FEAT_SV			BIT(31)
#define NVME_FEAT_SEL			GENMASK(10, 8)

enum nvme_feature_select {
	NVME_FEAT_SEL_CURRENT		= 0,
	NVME_FEAT_SEL_DEFAULT		= 1,
	NVME_FEAT_SEL_SAVED		= 2,
	NVME_FEAT_SEL_SUPPORTED		= 3,
};

/* Get Features, select 3: capabilities in DW0, figure 182 */
#define NVME_FEAT_CAP_PER_NS		BIT(1)
#define NVME_FEAT_CAP_CHANGEABLE	BIT(2)

/* Timestamp, 5.21.1.14 */
struct nvme_timestamp {
	u8	ms[6];
	u8	attr;
	u8	rsvd;
};

static_assert(sizeof(struct nvme_timestamp) == 8);

/* Set by the host with Set Features, not zero since reset */
#define NVME_TIMESTAMP_ORIGIN_SET	BIT(1)

/* Asynchronous events, 5.2 */
#define NVME_AER_TYPE_ERROR		0
#define NVME_AER_TYPE_SMART		1
#define NVME_AER_TYPE_NOTICE		2
#define NVME_AER_TYPE_IO		6
#define NVME_AER_ERROR_INVALID_DB_REG	0
#define NVME_AER_ERROR_INVALID_DB_VALUE	1
#define NVME_AER_SMART_TEMPERATURE	1
#define NVME_AER_NOTICE_NS_CHANGED	0
#define NVME_AER_IO_SANITIZED		1

/* SMART / Health critical warning bits, 5.14.1.2 */
#define NVME_SMART_CRIT_TEMPERATURE	BIT(1)

/* Asynchronous Event Configuration, 5.21.1.11 */
#define NVME_AEC_SMART			GENMASK(7, 0)
#define NVME_AEC_NS_ATTR		BIT(8)

#endif /* _NVME_H */
