// SPDX-License-Identifier: GPL-2.0
/*
 * 020-data.c DISK ALIGNMENT - writes and reads through buffers at odd addresses
 *
 * O_DIRECT hands the buffer to the device as it is when its address is a
 * multiple of ALIGNMENT, which is what the disk or the kernel asks for, so that
 * the offset into the first page and the pages that a transfer touches are up to
 * this program: PRP1 with an offset, PRP2 as an entry or as a list, and lists that
 * begin in all places. Each write goes to a fresh place with fresh data, is read
 * back through a buffer of another offset, and what lies around the buffer must
 * not change.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/fs.h>

#define BUF_SIZE	(8UL << 20)
#define GUARD		4096UL
#define GUARD_BYTE	0xa5

static uint64_t seed = 88172645463325252ULL;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Huge pages, if there are any, so that one command takes all of a transfer */
static unsigned char *buffer(void)
{
	void *buf = mmap(NULL, BUF_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);

	if (buf == MAP_FAILED)
		buf = mmap(NULL, BUF_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			   MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (buf == MAP_FAILED)
		err(1, "mmap");
	return buf;
}

static void check_guard(const unsigned char *from, const char *where,
			size_t offset, size_t len)
{
	size_t i;

	for (i = 0; i < GUARD; i++)
		if (from[i] != GUARD_BYTE)
			errx(1, "a read of %zu bytes to offset %zu wrote %s it",
			     len, offset, where);
}

static void transfer(int fd, unsigned char *out, unsigned char *in,
		     size_t out_offset, size_t in_offset, size_t len,
		     uint64_t at)
{
	unsigned char *from = out + GUARD + out_offset;
	unsigned char *to = in + GUARD + in_offset;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		uint64_t value = next();

		memcpy(from + i, &value, 8);
	}
	if (pwrite(fd, from, len, at) != (ssize_t)len)
		err(1, "write of %zu bytes from offset %zu to %llu", len,
		    out_offset, (unsigned long long)at);
	memset(to - GUARD, GUARD_BYTE, GUARD);
	memset(to, 0, len);
	memset(to + len, GUARD_BYTE, GUARD);
	if (pread(fd, to, len, at) != (ssize_t)len)
		err(1, "read of %zu bytes to offset %zu from %llu", len,
		    in_offset, (unsigned long long)at);
	if (memcmp(from, to, len))
		errx(1, "%zu bytes written from offset %zu and read to offset %zu at %llu differ",
		     len, out_offset, in_offset, (unsigned long long)at);
	check_guard(to - GUARD, "before", in_offset, len);
	check_guard(to + len, "behind", in_offset, len);
}

int main(int argc, char **argv)
{
	static const size_t offsets[] = {
		0, 4, 8, 60, 508, 512, 516, 2044, 2048, 3584, 4088, 4092,
	};
	static const size_t lengths[] = {
		512, 1024, 3584, 4096, 4608, 7680, 8192, 8704, 12288, 65536,
		131072, 262144 + 512, 1UL << 20, 2UL << 20, (2UL << 20) + 512,
	};
	const size_t nr_offsets = sizeof(offsets) / sizeof(*offsets);
	const size_t nr_lengths = sizeof(lengths) / sizeof(*lengths);
	const size_t align = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned char *out = buffer(), *in = buffer();
	uint64_t size, at = 0;
	unsigned int count = 0;
	size_t i, j;
	int fd, block;

	if (argc != 3 || !align)
		errx(2, "usage: %s DISK ALIGNMENT", argv[0]);
	fd = open(argv[1], O_RDWR | O_DIRECT);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) ||
	    ioctl(fd, BLKSSZGET, &block))
		err(1, "%s", argv[1]);

	for (i = 0; i < nr_lengths; i++) {
		if (lengths[i] % block)
			continue;
		for (j = 0; j < nr_offsets; j++) {
			size_t other = offsets[(j + i + 5) % nr_offsets];

			if (offsets[j] % align)
				continue;
			other -= other % align;
			if (at + lengths[i] > size)
				at = 0;
			transfer(fd, out, in, offsets[j], other, lengths[i],
				 at);
			at += lengths[i];
			count++;
		}
	}
	printf("%u transfers at odd addresses\n", count);
	return 0;
}
