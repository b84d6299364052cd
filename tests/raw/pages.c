// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that are memory and yet cannot be reached: secretmem(2) takes them out
 * of the kernel's direct map, and the kernel's code is read-only there.
 *
 * Wherever a command names one it ends with Data Transfer Error (4.3, figure
 * 126), and the next command works. So it does when the page goes while the
 * command waits; a queue whose page goes is fatal until a reset (3.1.6).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "raw.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret	447
#endif

static struct raw_cq cq;
static struct raw_sq sq;
static u8 *buf;

static u64 frame_of(const u8 *page)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	u64 entry;

	raw_need(pread(pagemap, &entry, 8, (uintptr_t)page / RAW_PAGE * 8) ==
		 8);
	close(pagemap);
	raw_need(entry >> 63 && (entry & ((1ULL << 55) - 1)));
	return (entry & ((1ULL << 55) - 1)) * RAW_PAGE;
}

static u64 kernel_code(void)
{
	u64 start, end, found = 0;
	char line[200];
	FILE *file = fopen("/proc/iomem", "r");

	raw_need(file);
	while (fgets(line, sizeof(line), file))
		if (strstr(line, "Kernel code") &&
		    sscanf(line, "%llx-%llx", &start, &end) == 2)
			found = start + (1 << 20);
	fclose(file);
	raw_need(found);
	return found;
}

static int transfer(u8 opcode, u64 prp1, u64 prp2, u32 bytes)
{
	struct raw_sqe sqe = { .opcode = opcode, .prp1 = prp1, .prp2 = prp2 };

	raw_lba(&sqe, 1, 0, bytes / 512);
	return raw_sync(&sq, &sqe, NULL);
}

/* Pages at a time that are tried, times that it is tried */
#define TAKE_PAGES	16
#define TAKE_TIMES	100
#define FREE_AMONG	32
/* The exit status when it never was: nothing else is wrong */
#define NOT_TAKEN	78
/* Entries of a queue, and of one in a page */
#define DEPTH		256U
#define RING		64U

static u8 *secret_pages(unsigned int nr)
{
	int fd = syscall(SYS_memfd_secret, 0);
	u8 *pages;

	raw_need(fd >= 0 && !ftruncate(fd, nr * RAW_PAGE));
	pages = mmap(NULL, nr * RAW_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	raw_need(pages != MAP_FAILED);
	close(fd);
	return pages;
}

/*
 * A frame that is nobody's now, but was secret and will soon be so again: with
 * neighbours in use it stays a frame alone, which is what one page is made of.
 * Those after it have it out of the lists of what was added of late.
 */
static u64 free_frame(void)
{
	u8 *pages[FREE_AMONG];
	unsigned int i;
	u64 frame;

	for (i = 0; i < FREE_AMONG; i++) {
		pages[i] = secret_pages(1);
		pages[i][0] = 1;
	}
	frame = frame_of(pages[FREE_AMONG / 4]);
	raw_need(!munmap(pages[FREE_AMONG / 4], RAW_PAGE));
	return frame;
}

/* Takes that frame out of the direct map, where the device knows it by now */
static bool take_frame(u64 frame)
{
	u8 *pages = secret_pages(TAKE_PAGES);
	unsigned int i;

	for (i = 0; i < TAKE_PAGES; i++) {
		pages[i * RAW_PAGE] = 1;
		if (frame_of(pages + i * RAW_PAGE) == frame)
			return true;
	}
	raw_need(!munmap(pages, TAKE_PAGES * RAW_PAGE));
	return false;
}

static void enable(void)
{
	raw_need(raw_enable());
	raw_cq_init(&cq, 1, DEPTH);
	raw_sq_init(&sq, 1, DEPTH, &cq);
}

static void expect(const char *what, int wanted, int got)
{
	if (got != wanted)
		raw_die("%s: status %#x instead of %#x", what, got, wanted);
	/* And the worker lives */
	raw_need(transfer(N_READ, raw_addr(buf), 0, 512) == SC_OK);
}

/*
 * The last of many writes, whose data goes while the others are moved. Not a
 * read: as long as the frame is nobody's only the kernel may write there.
 */
static bool lose_data(void)
{
	struct raw_sqe sqe = { .opcode = N_WRITE, .prp1 = raw_addr(buf) };
	u64 *list = raw_alloc(RAW_PAGE), frame;
	struct raw_cqe cqe = {};
	unsigned int i;

	for (i = 0; i < RAW_PAGE / sizeof(*list); i++)
		list[i] = raw_addr(buf);
	enable();
	raw_need(!raw_create_cq(&cq) && !raw_create_sq(&sq));
	frame = free_frame();
	sqe.prp2 = raw_addr(list);
	raw_lba(&sqe, 1, 0, 16 * RAW_PAGE / 512);
	for (i = 0; i < DEPTH - 2; i++)
		raw_put(&sq, &sqe);
	sqe.prp2 = frame;
	raw_lba(&sqe, 1, 0, 2 * RAW_PAGE / 512);
	raw_put(&sq, &sqe);
	raw_ring(&sq);
	/* All looked up, none done */
	while (raw_in_flight() < DEPTH - 1) {
		if (raw_peek(&cq))
			return false;
		raw_pause();
	}
	if (!take_frame(frame) || raw_peek(&cq))
		return false;
	do
		raw_need(raw_wait(&cq, &cqe) >= 0);
	while (cqe.cid != DEPTH - 2 && raw_sc(&cqe) == SC_OK);
	raw_need(cqe.cid == DEPTH - 2);
	/* Moved before it went */
	if (raw_sc(&cqe) == SC_OK)
		return false;
	raw_need(raw_sc(&cqe) == SC_XFER);
	return true;
}

/* Either ring of a queue pair; the device looks there once it has work to do */
static bool lose_ring(bool completions)
{
	struct raw_sqe create_sq = {
		.opcode = A_CREATE_SQ, .cdw10 = (RING - 1) << 16 | 1,
		.cdw11 = 1 << 16 | 1,
	};
	struct raw_sqe create_cq = {
		.opcode = A_CREATE_CQ, .cdw10 = (RING - 1) << 16 | 1, .cdw11 = 1,
	};
	struct raw_sqe read = { .opcode = N_READ, .prp1 = raw_addr(buf) };
	u64 frame;

	enable();
	frame = free_frame();
	create_cq.prp1 = completions ? frame : raw_addr(cq.ring);
	create_sq.prp1 = completions ? raw_addr(sq.ring) : frame;
	raw_need(!raw_sync(&raw_asq, &create_cq, NULL) &&
		 !raw_sync(&raw_asq, &create_sq, NULL));
	if (!take_frame(frame))
		return false;
	raw_lba(&read, 1, 0, 1);
	raw_put(&sq, &read);
	raw_ring(&sq);
	raw_need(raw_wait_csts(CSTS_CFS, CSTS_CFS, 20 * RAW_S));
	return true;
}

static void lose(const char *what, unsigned int which)
{
	unsigned int i;

	for (i = 0; i < TAKE_TIMES; i++) {
		size_t mark = raw_mark();
		bool done = which ? lose_ring(which == 2) : lose_data();

		raw_need(raw_disable());
		raw_need(!(raw_read32(R_CSTS) & CSTS_CFS));
		raw_release(mark);
		if (done) {
			printf("%s went at attempt %u\n", what, i + 1);
			return;
		}
	}
	fprintf(stderr, "%s: its frame could not be taken in time\n", what);
	exit(NOT_TAKEN);
}

int main(void)
{
	struct raw_options options = { .mem_bytes = RAW_HUGE };
	u64 *list, good, bad, code;
	struct raw_sqe sqe = { .opcode = A_IDENTIFY, .cdw10 = 1 };
	cpu_set_t cpu;
	u8 *secret;
	int fd;

	/* What one frees here is what the next gets */
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	raw_need(!sched_setaffinity(0, sizeof(cpu), &cpu));
	raw_open(&options);
	raw_need(raw_enable());
	raw_cq_init(&cq, 1, 16);
	raw_sq_init(&sq, 1, 16, &cq);
	raw_need(!raw_create_cq(&cq) && !raw_create_sq(&sq));
	buf = raw_alloc(2 * RAW_PAGE);
	list = raw_alloc(RAW_PAGE);
	good = raw_addr(buf);

	fd = syscall(SYS_memfd_secret, 0);
	if (fd < 0) {
		puts("this kernel has no secretmem");
		return 77;
	}
	raw_need(!ftruncate(fd, 2 * RAW_PAGE));
	secret = mmap(NULL, 2 * RAW_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	raw_need(secret != MAP_FAILED);
	memset(secret, 0x5a, 2 * RAW_PAGE);
	bad = frame_of(secret);

	expect("read to it", SC_XFER, transfer(N_READ, bad, 0, 512));
	expect("write from it", SC_XFER, transfer(N_WRITE, bad, 0, 512));
	expect("compare with it", SC_XFER, transfer(N_COMPARE, bad, 0, 512));
	expect("as the second page", SC_XFER,
	       transfer(N_READ, good, bad, 2 * RAW_PAGE));
	expect("as a list", SC_XFER, transfer(N_READ, good, bad, 3 * RAW_PAGE));
	list[0] = good;
	list[1] = bad;
	expect("in a list", SC_XFER,
	       transfer(N_READ, good, raw_addr(list), 3 * RAW_PAGE));
	sqe.prp1 = bad;
	expect("Identify to it", SC_XFER, raw_sync(&raw_asq, &sqe, NULL));
	raw_need(secret[0] == 0x5a && secret[511] == 0x5a);

	code = kernel_code();
	expect("read over the kernel's code", SC_XFER,
	       transfer(N_READ, code, 0, 512));
	expect("write of the kernel's code", SC_OK,
	       transfer(N_WRITE, code, 0, 512));

	/* An admin queue there: fatal, and a reset ends it (3.1.6) */
	raw_need(raw_disable());
	raw_write64(R_ASQ, bad);
	raw_write64(R_ACQ, raw_addr(raw_acq.ring));
	raw_write32(R_AQA, 1 << 16 | 1);
	raw_write32(R_CC, CC_NORMAL | CC_EN);
	raw_need(raw_wait_csts(CSTS_CFS | CSTS_RDY, CSTS_CFS,
			       raw_timeout_ns()));
	raw_need(raw_disable());

	/* What is not late leaves the worker time to fetch */
	raw_latency_us(100000);
	lose("data", 0);
	raw_latency_us(0);
	lose("the ring of commands", 1);
	lose("the ring of completions", 2);
	enable();
	raw_need(!raw_create_cq(&cq) && !raw_create_sq(&sq));
	raw_need(transfer(N_READ, raw_addr(buf), 0, 512) == SC_OK);
	raw_close();
	puts("pages out of reach: ok");
	return 0;
}
