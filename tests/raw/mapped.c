// SPDX-License-Identifier: GPL-2.0
/*
 * A program that has BAR 0 mapped when the device goes.
 *
 *	mapped RESOURCE
 *
 * Says so, waits for a line, and reads there again: of memory that may be another's
 * by then nothing must be seen.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "raw.h"

static sigjmp_buf refused;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(refused, 1);
}

int main(int argc, char **argv)
{
	const u32 *bar;
	char line[8];
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: %s RESOURCE\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	raw_need(fd >= 0);
	bar = mmap(NULL, RAW_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	raw_need(bar != MAP_FAILED);
	close(fd);
	raw_need(__atomic_load_n(bar + R_VS / 4, __ATOMIC_RELAXED) == 0x10400);
	puts("mapped");
	fflush(stdout);
	raw_need(fgets(line, sizeof(line), stdin));
	signal(SIGBUS, on_sigbus);
	if (sigsetjmp(refused, 1))
		return 0;
	raw_die("the BAR is mapped still: VS reads %#x",
		__atomic_load_n(bar + R_VS / 4, __ATOMIC_RELAXED));
}
