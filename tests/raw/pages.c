// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that are memory and yet cannot be reached: secretmem(2) takes them out
 * of the kernel's direct map, and the kernel's code is read-only there.
 *
 * Wherever a command names one it ends with Data Transfer Error (4.3, figure
 * 126), and the next command works.
 */
#include <fcntl.h>
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

static void expect(const char *what, int wanted, int got)
{
	if (got != wanted)
		raw_die("%s: status %#x instead of %#x", what, got, wanted);
	/* And the worker lives */
	raw_need(transfer(N_READ, raw_addr(buf), 0, 512) == SC_OK);
}

int main(void)
{
	struct raw_options options = { .mem_bytes = RAW_HUGE };
	u64 *list, good, bad, code;
	struct raw_sqe sqe = { .opcode = A_IDENTIFY, .cdw10 = 1 };
	u8 *secret;
	int fd;

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
	raw_need(raw_enable());
	raw_close();
	puts("pages out of reach: ok");
	return 0;
}
