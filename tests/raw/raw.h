/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small NVMe driver in user space, for tests on the raw queues.
 *
 * Two hosts are behind the same calls. In the VM (host-vm.c) it drives the
 * module: BAR0 through sysfs with no kernel driver bound, DMA memory whose
 * physical addresses come from pagemap. Natively (host-core.c) it drives the
 * device core of tests/uspace in the same process, on a virtual clock and
 * under sanitizers. A test written against this header runs on both.
 *
 * Numbers of the specification (NVM Express 1.4) are written down here again
 * and not taken from the module's nvme.h: a wrong one there shall be seen.
 */
#ifndef _RAW_H
#define _RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef fallthrough
#define fallthrough	__attribute__((fallthrough))
#endif

#define RAW_PAGE	4096U
#define RAW_HUGE	(2U << 20)
#define RAW_MS		1000000ULL
#define RAW_S		1000000000ULL
/* Entries of the admin queues that raw_enable() makes */
#define RAW_ADMIN_SIZE	64

/* Registers, 3.1 */
#define R_CAP		0x00
#define R_VS		0x08
#define R_INTMS		0x0c
#define R_INTMC		0x10
#define R_CC		0x14
#define R_CSTS		0x1c
#define R_NSSR		0x20
#define R_AQA		0x24
#define R_ASQ		0x28
#define R_ACQ		0x30
#define R_CMBLOC	0x38
#define R_CMBSZ		0x3c
#define R_DOORBELLS	0x1000

#define CC_EN		1U
#define CC_NORMAL	(6U << 16 | 4U << 20)
#define CC_AMS_WRR	0x800U
#define CC_RESERVED	0xff00000eU
#define CC_SHN_NORMAL	0x4000U
#define CC_SHN_ABRUPT	0x8000U
#define CSTS_RDY	1U
#define CSTS_CFS	2U
#define CSTS_SHST	0xcU
#define CSTS_SHST_DONE	8U
#define CSTS_NSSRO	0x10U
#define NSSR_RESET	0x4e564d65U

/* Status without phase, more and DNR: code type in bits 10:8 */
#define SC_OK			0x000
#define SC_OPCODE		0x001
#define SC_FIELD		0x002
#define SC_XFER			0x004
#define SC_ABORTED		0x007
#define SC_FUSED_FAIL		0x009
#define SC_FUSED_MISSING	0x00a
#define SC_NS			0x00b
#define SC_SEQUENCE		0x00c
#define SC_PRP_OFFSET		0x013
#define SC_ATOMIC_UNIT		0x014
#define SC_SANITIZING		0x01d
#define SC_LBA_RANGE		0x080
#define SC_CAPACITY		0x081
#define SC_FORMATTING		0x084
#define SC_CQ_INVALID		0x100
#define SC_QID			0x101
#define SC_QUEUE_SIZE		0x102
#define SC_ABORT_LIMIT		0x103
#define SC_AER_LIMIT		0x105
#define SC_VECTOR		0x108
#define SC_LOG_PAGE		0x109
#define SC_FORMAT		0x10a
#define SC_QUEUE_DELETION	0x10c
#define SC_NOT_SAVEABLE		0x10d
#define SC_NOT_PER_NS		0x10f
#define SC_NS_CAPACITY		0x115
#define SC_NS_UNAVAILABLE	0x116
#define SC_NS_ATTACHED		0x118
#define SC_NS_NOT_ATTACHED	0x11a
#define SC_CTRL_LIST		0x11c
#define SC_SELF_TESTING		0x11d
#define SC_COPY_LIMIT		0x183
#define SC_READ_ERROR		0x281
#define SC_COMPARE		0x285
#define SC_DNR			0x4000

/* Opcodes, 5 and 6 */
#define A_DELETE_SQ	0x00
#define A_CREATE_SQ	0x01
#define A_GET_LOG	0x02
#define A_DELETE_CQ	0x04
#define A_CREATE_CQ	0x05
#define A_IDENTIFY	0x06
#define A_ABORT		0x08
#define A_SET_FEATURES	0x09
#define A_GET_FEATURES	0x0a
#define A_AER		0x0c
#define A_NS_MGMT	0x0d
#define A_NS_ATTACH	0x15
#define A_FORMAT	0x80
#define A_SELF_TEST	0x14
#define A_SANITIZE	0x84
#define A_DBBUF		0x7c
#define N_FLUSH		0x00
#define N_WRITE		0x01
#define N_READ		0x02
#define N_UNCOR		0x04
#define N_COMPARE	0x05
#define N_ZEROES	0x08
#define N_DSM		0x09
#define N_VERIFY	0x0c
#define N_COPY		0x19

#define FUSE_FIRST	1
#define FUSE_SECOND	2
#define NSID_ALL	0xffffffffU

struct raw_sqe {
	u8 opcode;
	u8 flags;
	u16 cid;
	u32 nsid;
	u32 cdw2;
	u32 cdw3;
	u64 mptr;
	u64 prp1;
	u64 prp2;
	u32 cdw10;
	u32 cdw11;
	u32 cdw12;
	u32 cdw13;
	u32 cdw14;
	u32 cdw15;
};

struct raw_cqe {
	u32 result;
	u32 rsvd;
	u16 sqhd;
	u16 sqid;
	u16 cid;
	u16 status;
};

_Static_assert(sizeof(struct raw_sqe) == 64, "4.2");
_Static_assert(sizeof(struct raw_cqe) == 16, "4.6");

/* Code and code type of a completion */
static inline u16 raw_sc(const struct raw_cqe *cqe)
{
	return cqe->status >> 1 & 0x7ff;
}

/* --- the host: host-vm.c, host-core.c ------------------------------------- */

/*
 * DMA memory: physically contiguous within each 2 MiB. What lies on a page
 * boundary lies on one for the device, too.
 */
extern u8 *raw_mem;
extern size_t raw_mem_bytes;
/* The device core in this process, alone with us on a virtual clock */
extern bool raw_native;
/* Page aligned addresses that are no memory of the host's */
extern u64 raw_no_memory[8];
extern unsigned int raw_nr_no_memory;

struct raw_options {
	size_t mem_bytes;
	/* What host-core.c makes; in the VM the module was loaded with it */
	unsigned int lba_shift;
	u64 storage_bytes;
	/* Doorbell Buffer Config; in the VM the module's parameter dbbuf */
	bool dbbuf;
	/* Real threads and a real clock also natively */
	bool threads;
};

void raw_open(const struct raw_options *options);
void raw_close(void);
void *raw_bar(unsigned int reg);
u64 raw_addr(const void *ptr);
/* Lets the device run for a moment; to be called wherever one waits */
void raw_pause(void);
u64 raw_now_ns(void);
void raw_latency_us(unsigned int us);
void raw_slots(unsigned int slots);
/* Bus Master Enable */
void raw_set_dma(bool on);
/* MSI-X Enable and Function Mask, behind the kernel's back */
void raw_set_msix(bool on, bool masked);
/* Whether Command allows the interrupt line, and whether Status has it asserted */
void raw_set_intx(bool on);
bool raw_intx_is_on(void);
bool raw_intx_is_asserted(void);
/* Function level reset; false where there is none */
bool raw_flr(void);
/* What the device counts as being in flight, -1 when it does not tell */
long raw_in_flight(void);

static inline u32 raw_read32(unsigned int reg)
{
	return __atomic_load_n((u32 *)raw_bar(reg), __ATOMIC_SEQ_CST);
}

static inline u64 raw_read64(unsigned int reg)
{
	return __atomic_load_n((u64 *)raw_bar(reg), __ATOMIC_SEQ_CST);
}

static inline void raw_write8(unsigned int reg, u8 value)
{
	__atomic_store_n((u8 *)raw_bar(reg), value, __ATOMIC_RELEASE);
}

static inline void raw_write16(unsigned int reg, u16 value)
{
	__atomic_store_n((u16 *)raw_bar(reg), value, __ATOMIC_RELEASE);
}

static inline void raw_write32(unsigned int reg, u32 value)
{
	__atomic_store_n((u32 *)raw_bar(reg), value, __ATOMIC_RELEASE);
}

static inline void raw_write64(unsigned int reg, u64 value)
{
	__atomic_store_n((u64 *)raw_bar(reg), value, __ATOMIC_RELEASE);
}

/* --- the driver: raw.c ------------------------------------------------------ */

struct raw_cq {
	u16 qid;
	u32 size;
	struct raw_cqe *ring;
	u32 head;
	u8 phase;
};

struct raw_sq {
	u16 qid;
	u32 size;
	struct raw_sqe *ring;
	u32 tail;
	u16 next_cid;
	struct raw_cq *cq;
};

/* Beyond CAP.TO, where it is not the timing that is tested */
extern u64 raw_slack_ns;
extern struct raw_sq raw_asq;
extern struct raw_cq raw_acq;
/* Doorbells in memory, until the next reset; NULL without */
extern u32 *raw_shadows;

/* A mark of the pool, to which raw_release() goes back */
size_t raw_mark(void);
void raw_release(size_t mark);
void *raw_alloc(size_t size);

u32 raw_doorbell(u16 qid, bool cq);
void raw_sq_init(struct raw_sq *sq, u16 qid, u32 size, struct raw_cq *cq);
void raw_cq_init(struct raw_cq *cq, u16 qid, u32 size);
u16 raw_put(struct raw_sq *sq, const struct raw_sqe *sqe);
bool raw_ring(const struct raw_sq *sq);
bool raw_get(struct raw_cq *cq, struct raw_cqe *cqe);
bool raw_peek(const struct raw_cq *cq);
void raw_ring_cq(const struct raw_cq *cq);

bool raw_wait_csts(u32 mask, u32 value, u64 ns);
u64 raw_timeout_ns(void);
bool raw_enable_cc(u32 cc, u32 asqs, u32 acqs);
bool raw_enable(void);
bool raw_disable(void);

/* -1: no completion came in 20 s */
int raw_wait(struct raw_cq *cq, struct raw_cqe *cqe);
int raw_sync(struct raw_sq *sq, const struct raw_sqe *sqe,
	     struct raw_cqe *cqe);
int raw_create_cq(struct raw_cq *cq);
int raw_create_sq(struct raw_sq *sq);
int raw_create_sq_prio(struct raw_sq *sq, u32 qprio);
int raw_delete(u8 opcode, u16 qid);
int raw_identify(u32 cns, u32 nsid, void *buf);
int raw_use_shadows(u32 *shadows, u32 *event_idxs);
int raw_get_log(u8 lid, void *buf, u32 bytes);

/*
 * Describes scattered pages by PRPs: the first piece begins at @offset of
 * pages[0], the list at @list, an address that goes on in the page behind
 * its own when that is full.
 */
void raw_prps(struct raw_sqe *sqe, u8 *const *pages, u32 offset, u32 len,
	      u64 *list);
void raw_lba(struct raw_sqe *sqe, u32 nsid, u64 lba, u32 nlb);

/* xorshift64*, seeded with anything */
static inline u64 raw_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

static inline u64 raw_mix(u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

#define raw_die(...) do {						\
	fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);			\
	fprintf(stderr, __VA_ARGS__);					\
	fprintf(stderr, "\n");						\
	exit(1);							\
} while (0)

#define raw_need(cond) do {						\
	if (!(cond))							\
		raw_die("not so: %s", #cond);				\
} while (0)

#endif /* _RAW_H */
