// SPDX-License-Identifier: GPL-2.0
/*
 * 098-swap.c MIB ROUNDS
 *
 * More memory than there is: each page has its own contents, and is looked at in
 * an order of its own in each round, and written anew. Prints a line when all of
 * it has been written for the first time.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_WORDS	512UL
/* A prime number larger than that of the pages: it comes to each of them */
#define STEP		1000003UL

static uint64_t word(size_t page, size_t i, uint64_t round)
{
	return (page * PAGE_WORDS + i + 1) * 0x9e3779b97f4a7c15ULL + round;
}

int main(int argc, char **argv)
{
	size_t pages, page, i;
	uint64_t rounds, round;
	uint64_t *map;

	if (argc != 3)
		errx(2, "usage: %s MIB ROUNDS", argv[0]);
	pages = strtoull(argv[1], NULL, 0) * 256;
	rounds = strtoull(argv[2], NULL, 0);
	if (!pages || pages >= STEP)
		errx(2, "%s MiB", argv[1]);
	map = mmap(NULL, pages * PAGE_WORDS * 8, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		err(1, "mmap");
	for (page = 0; page < pages; page++)
		for (i = 0; i < PAGE_WORDS; i++)
			map[page * PAGE_WORDS + i] = word(page, i, 0);
	puts("written");
	fflush(stdout);
	for (round = 0; round < rounds; round++) {
		size_t n;

		for (n = 0, page = round; n < pages; n++) {
			page = (page + STEP) % pages;
			for (i = 0; i < PAGE_WORDS; i++)
				if (map[page * PAGE_WORDS + i] !=
				    word(page, i, round))
					errx(1, "round %llu: page %zu, word %zu is %#llx",
					     (unsigned long long)round, page, i,
					     (unsigned long long)map[page * PAGE_WORDS + i]);
			for (i = 0; i < PAGE_WORDS; i++)
				map[page * PAGE_WORDS + i] = word(page, i, round + 1);
		}
	}
	return 0;
}
