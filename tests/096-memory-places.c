// SPDX-License-Identifier: GPL-2.0
/*
 * 096-memory-places.c BLOCK-BYTES NODE COUNT [break]
 *
 * Pins one page in each of the COUNT highest memory blocks of a node in which it
 * gets one, as buffers that are registered with io_uring: the kernel cannot move
 * them. Prints the numbers of the blocks, one a line, then waits for a line on
 * its input, and fails if a page is no longer what it was. With break, the pages
 * are not pinned: they count as broken memory until the next boot.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE		4096UL
#define MAX_BLOCKS	64

static int pagemap;

static uint64_t frame_of(const void *page)
{
	static uint64_t entries[512];
	static uintptr_t first = UINTPTR_MAX;
	uintptr_t number = (uintptr_t)page / PAGE;
	uint64_t entry;

	/* They are read by the page, and the page tables stay while we look */
	if (first != number / 512 * 512) {
		first = number / 512 * 512;
		if (pread(pagemap, entries, sizeof(entries), first * 8) !=
		    sizeof(entries))
			err(1, "pagemap");
	}
	entry = entries[number % 512];
	if (!(entry >> 63))
		errx(1, "no frame");
	return entry & ((1ULL << 55) - 1);
}

static size_t free_bytes_of(long node)
{
	unsigned long long kib;
	char path[80], line[120];
	FILE *meminfo;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%ld/meminfo",
		 node);
	meminfo = fopen(path, "r");
	if (!meminfo)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), meminfo))
		if (sscanf(line, "Node %*d MemFree: %llu kB", &kib) == 1) {
			fclose(meminfo);
			return kib * 1024;
		}
	errx(1, "%s: no MemFree", path);
}

/* Pages of one block come in rows: it is not asked for each of them */
static int in_node(uint64_t block, long node)
{
	static uint64_t last = UINT64_MAX;
	static int there;
	char path[80];

	if (block == last)
		return there;
	last = block;
	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%ld/memory%llu", node,
		 (unsigned long long)block);
	there = !access(path, F_OK);
	return there;
}

/* Some kernels tell of broken memory at once. That is what was asked for. */
static void told(int number)
{
}

int main(int argc, char **argv)
{
	struct io_uring_params params = { };
	uint64_t block_bytes, blocks[MAX_BLOCKS] = { };
	uint8_t *pages[MAX_BLOCKS] = { }, *map, line[2];
	struct iovec buffers[MAX_BLOCKS];
	size_t bytes, at, end;
	unsigned long nodes;
	long node, count;
	int ring, i, k;

	if (argc < 4)
		errx(2, "usage: %s BLOCK-BYTES NODE COUNT [break]", argv[0]);
	block_bytes = strtoull(argv[1], NULL, 0);
	node = strtol(argv[2], NULL, 0);
	count = strtol(argv[3], NULL, 0);
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	if (pagemap < 0 || count < 1 || count > MAX_BLOCKS)
		err(1, "pagemap, or a bad count");

	/*
	 * In small pages, and so much of what is free that no whole block can
	 * be among the rest: each block that was free has a page in it.
	 */
	bytes = free_bytes_of(node) / PAGE / 10 * 9 * PAGE;
	nodes = 1UL << node;
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		err(1, "mmap");
	if (syscall(__NR_mbind, map, bytes, MPOL_BIND, &nodes,
		    8 * sizeof(nodes), 0))
		err(1, "mbind");
	madvise(map, bytes, MADV_NOHUGEPAGE);
	for (at = 0; at < bytes; at += PAGE)
		map[at] = 1;
	for (at = 0; at < bytes; at += PAGE) {
		uint64_t block;

		block = frame_of(map + at) / (block_bytes / PAGE);
		if (!in_node(block, node))
			continue;
		for (i = 0; i < count && blocks[i] > block; i++)
			;
		if (i == count || blocks[i] == block)
			continue;
		for (k = count - 1; k > i; k--) {
			blocks[k] = blocks[k - 1];
			pages[k] = pages[k - 1];
		}
		blocks[i] = block;
		pages[i] = map + at;
	}
	for (i = 0; i < count; i++) {
		if (!pages[i])
			errx(1, "only %d blocks", i);
		if (argc > 4) {
			signal(SIGBUS, told);
			if (madvise(pages[i], PAGE, MADV_HWPOISON))
				err(1, "MADV_HWPOISON");
			printf("%llu\n", (unsigned long long)blocks[i]);
			continue;
		}
		memset(pages[i], 0x40 + i, PAGE);
		buffers[i] = (struct iovec){ pages[i], PAGE };
	}
	if (argc > 4)
		return 0;
	ring = syscall(__NR_io_uring_setup, 1, &params);
	if (ring < 0 || syscall(__NR_io_uring_register, ring,
				IORING_REGISTER_BUFFERS, buffers, count))
		err(1, "io_uring");
	/* The others go back */
	for (at = 0; at < bytes; at = end + PAGE) {
		for (end = bytes, i = 0; i < count; i++)
			if (pages[i] >= map + at && pages[i] < map + end)
				end = pages[i] - map;
		if (end > at)
			munmap(map + at, end - at);
	}
	for (i = 0; i < count; i++)
		printf("%llu\n", (unsigned long long)blocks[i]);
	fflush(stdout);

	if (read(0, line, 1) < 0)
		err(1, "read");
	for (i = 0; i < count; i++)
		for (at = 0; at < PAGE; at++)
			if (pages[i][at] != 0x40 + i)
				errx(1, "page %d has changed", i);
	return 0;
}
