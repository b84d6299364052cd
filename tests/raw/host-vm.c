// SPDX-License-Identifier: GPL-2.0
/*
 * The host of raw.h around the module: what a user-space driver does as root
 * and without an IOMMU. No kernel driver is bound; the function's registers
 * come from sysfs, DMA memory is huge pages, their addresses from pagemap.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "raw.h"

#define VM_VENDOR	0x6e76
#define VM_PCI		"/sys/bus/pci/devices"
#define VM_BAR_BYTES	0x10000
#define VM_MAX_HUGE	64

#define PCI_COMMAND	0x04
#define PCI_COMMAND_BME	0x0004
#define PCI_COMMAND_INTX_DISABLE	0x0400
#define PCI_STATUS	0x06
#define PCI_STATUS_INTERRUPT	0x0008

/* Empty polls before the CPU is given away: the device may need it */
#define VM_SPINS	64

u8 *raw_mem;
size_t raw_mem_bytes;
bool raw_native;
u64 raw_no_memory[8];
unsigned int raw_nr_no_memory;

static char vm_dir[300];
static int vm_config = -1;
static u8 *vm_bar;
static u64 vm_phys[VM_MAX_HUGE];

static bool vm_write_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

static u64 vm_read_number(const char *name)
{
	FILE *file = fopen(name, "r");
	char text[64] = "";
	u64 value;

	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	value = strtoull(text, NULL, 0);
	fclose(file);
	return value;
}

/* Takes it from the kernel driver, but not from one for drivers in user space */
static void vm_unbind(const char *function)
{
	char name[400], driver[400];
	ssize_t len;

	snprintf(name, sizeof(name), "%s/driver", vm_dir);
	len = readlink(name, driver, sizeof(driver) - 1);
	if (len < 0)
		return;
	driver[len] = '\0';
	if (strstr(driver, "/uio_pci_generic"))
		return;
	snprintf(name, sizeof(name), "%s/driver/unbind", vm_dir);
	raw_need(vm_write_file(name, function));
}

static void vm_find_function(void)
{
	DIR *dir = opendir(VM_PCI);
	const struct dirent *entry;
	char name[400];

	raw_need(dir);
	while ((entry = readdir(dir))) {
		snprintf(name, sizeof(name), VM_PCI "/%s/vendor",
			 entry->d_name);
		if (vm_read_number(name) != VM_VENDOR)
			continue;
		snprintf(vm_dir, sizeof(vm_dir), VM_PCI "/%s", entry->d_name);
		vm_unbind(entry->d_name);
	}
	closedir(dir);
	if (!vm_dir[0])
		raw_die("there is no PCI function of the module");
}

static u16 vm_read_config16(unsigned int where)
{
	u16 value;

	raw_need(pread(vm_config, &value, 2, where) == 2);
	return value;
}

static void vm_write_config16(unsigned int where, u16 value)
{
	raw_need(pwrite(vm_config, &value, 2, where) == 2);
}

static void vm_map_bar(void)
{
	char name[400];
	int fd;

	snprintf(name, sizeof(name), "%s/config", vm_dir);
	vm_config = open(name, O_RDWR);
	raw_need(vm_config >= 0);
	/* D0, Memory Space and Bus Master Enable */
	vm_write_config16(PCI_COMMAND, vm_read_config16(PCI_COMMAND) | 6);

	snprintf(name, sizeof(name), "%s/resource0", vm_dir);
	fd = open(name, O_RDWR);
	raw_need(fd >= 0);
	vm_bar = mmap(NULL, VM_BAR_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	if (vm_bar == MAP_FAILED)
		raw_die("BAR0 cannot be mapped: error %d", errno);
	close(fd);
}

static void vm_alloc(size_t bytes)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	unsigned int i, nr = (bytes + RAW_HUGE - 1) / RAW_HUGE;
	char text[16];

	raw_need(pagemap >= 0 && nr <= VM_MAX_HUGE);
	snprintf(text, sizeof(text), "%u", nr + 1);
	raw_need(vm_write_file("/proc/sys/vm/nr_hugepages", text));
	raw_mem_bytes = (size_t)nr * RAW_HUGE;
	raw_mem = mmap(NULL, raw_mem_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
		       MAP_POPULATE | MAP_LOCKED, -1, 0);
	if (raw_mem == MAP_FAILED)
		raw_die("no %u huge pages: error %d", nr, errno);
	for (i = 0; i < nr; i++) {
		u8 *page = raw_mem + (size_t)i * RAW_HUGE;
		u64 entry;

		raw_need(pread(pagemap, &entry, 8, (uintptr_t)page / RAW_PAGE *
			       8) == 8);
		/* Present, and its frame shown: only root is */
		raw_need(entry >> 63 && (entry & ((1ULL << 55) - 1)));
		vm_phys[i] = (entry & ((1ULL << 55) - 1)) * RAW_PAGE;
		raw_need(!(vm_phys[i] % RAW_HUGE));
	}
	close(pagemap);
}

/* Beyond all memory, and the device's own, which is not the host's to give */
static void vm_find_no_memory(void)
{
	char line[200], name[400];
	u64 start, end, top = 0;
	FILE *file = fopen("/proc/iomem", "r");

	raw_need(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%llx-%llx", &start, &end) == 2 && end > top &&
		    (strstr(line, "System RAM") || strstr(line, "Reserved")))
			top = end;
	fclose(file);
	raw_no_memory[0] = (top | 0xfffff) + 1;
	raw_no_memory[1] = 1ULL << 45;
	raw_no_memory[2] = 1ULL << 52;
	raw_no_memory[3] = ~0ULL - 4095;
	raw_nr_no_memory = 4;

	snprintf(name, sizeof(name), "%s/resource", vm_dir);
	file = fopen(name, "r");
	raw_need(file);
	if (fscanf(file, "%llx %llx", &start, &end) == 2 && start) {
		raw_no_memory[raw_nr_no_memory++] = start;
		/* The first page of the storage */
		raw_no_memory[raw_nr_no_memory++] = start + (1 << 20);
	}
	fclose(file);
}

void raw_open(const struct raw_options *options)
{
	vm_find_function();
	vm_map_bar();
	vm_alloc(options->mem_bytes);
	vm_find_no_memory();
}

void raw_close(void)
{
	/* No bus master any more: the memory goes back to the kernel */
	raw_disable();
	raw_set_dma(false);
	munmap(raw_mem, raw_mem_bytes);
	munmap(vm_bar, VM_BAR_BYTES);
	close(vm_config);
	vm_write_file("/proc/sys/vm/nr_hugepages", "0");
}

void *raw_bar(unsigned int reg)
{
	return vm_bar + reg;
}

u64 raw_addr(const void *ptr)
{
	size_t at = (const u8 *)ptr - raw_mem;

	return vm_phys[at / RAW_HUGE] + at % RAW_HUGE;
}

void raw_pause(void)
{
	static unsigned int spins;

	if (++spins % VM_SPINS)
		__builtin_ia32_pause();
	else
		usleep(20);
}

u64 raw_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * RAW_S + ts.tv_nsec;
}

static void vm_set_knob(const char *name, unsigned int value)
{
	char file[64], text[16];

	snprintf(file, sizeof(file), "/proc/nvmev/%s", name);
	snprintf(text, sizeof(text), "%u", value);
	if (!vm_write_file(file, text))
		raw_die("%s does not take %s", file, text);
}

void raw_latency_us(unsigned int us)
{
	vm_set_knob("read_latency", us);
	vm_set_knob("write_latency", us);
}

void raw_slots(unsigned int slots)
{
	vm_set_knob("slot", slots);
}

void raw_set_dma(bool on)
{
	u16 command = vm_read_config16(PCI_COMMAND);

	vm_write_config16(PCI_COMMAND, on ? command | PCI_COMMAND_BME :
					    command & ~PCI_COMMAND_BME);
}

void raw_set_intx(bool on)
{
	u16 command = vm_read_config16(PCI_COMMAND);

	vm_write_config16(PCI_COMMAND,
			  on ? command & ~PCI_COMMAND_INTX_DISABLE :
			       command | PCI_COMMAND_INTX_DISABLE);
}

bool raw_intx_is_on(void)
{
	return !(vm_read_config16(PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);
}

bool raw_intx_is_asserted(void)
{
	return vm_read_config16(PCI_STATUS) & PCI_STATUS_INTERRUPT;
}

static unsigned int vm_find_cap(u8 id)
{
	unsigned int where = vm_read_config16(0x34) & 0xff;

	while (where && (vm_read_config16(where) & 0xff) != id)
		where = vm_read_config16(where) >> 8;
	raw_need(where);
	return where;
}

void raw_set_msix(bool on, bool masked)
{
	unsigned int where = vm_find_cap(0x11) + 2;
	u16 control = vm_read_config16(where) & 0x3fff;

	vm_write_config16(where, control | on << 15 | masked << 14);
}

bool raw_flr(void)
{
	char name[400];

	/* Saves and restores the configuration around it */
	snprintf(name, sizeof(name), "%s/reset", vm_dir);
	return vm_write_file(name, "1");
}

long raw_in_flight(void)
{
	char line[400];
	long sum = 0, value;
	FILE *file = fopen("/proc/nvmev/stat", "r");

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "read %*u %*u %*u %ld", &value) == 1 ||
		    sscanf(line, "write %*u %*u %*u %ld", &value) == 1 ||
		    sscanf(line, "other %*u %*u %*u %ld", &value) == 1)
			sum += value;
	fclose(file);
	return sum;
}
