# SPDX-License-Identifier: GPL-2.0
#
# The person's entry: "make help" lists every target. kbuild itself reads
# Kbuild. LLVM=, CC=, W=, C= and the like reach kbuild as they are given here,
# because make hands its command line down.

running := $(shell uname -r)
kdir = $(or $(KDIR),/lib/modules/$(running)/build)

# Not include/config/kernel.release, where Debian has another version.
kdir_release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' '$(KDIR)/include/generated/utsrelease.h')

# The kernel of the VM. Asked for once, and only by the targets that use it.
KERNEL ?= $(eval KERNEL := $(if $(KDIR),$(kdir_release),$(shell scripts/kernel-default)))$(KERNEL)
vm_kdir = $(or $(KDIR),$(shell scripts/kernels kdir '$(or $(KERNEL),$(error no kernel to build nvmev.ko for))'))
BUILD ?= build/$(KERNEL)
sources := Kbuild $(wildcard *.c *.h)
sources := $(filter-out %.mod.c,$(sources))

# $(call need-headers,DIR,VERSION)
need-headers = $(if $(wildcard $(1)/Makefile),,$(error no kernel headers in $(1): \
install the package linux-headers-$(2), or give the directory of a kernel's headers as KDIR=DIR))

.DEFAULT_GOAL := modules

.PHONY: modules
modules: ## build nvmev.ko here, for the running kernel or KDIR=DIR; LLVM= CC= W= C= as in kbuild
	$(call need-headers,$(kdir),$(running))
	$(MAKE) -C $(kdir) M=$(CURDIR) modules

.PHONY: modules_install
modules_install: modules ## install nvmev.ko where modprobe finds it; KDIR=DIR, INSTALL_MOD_PATH= as in kbuild
	$(MAKE) -C $(kdir) M=$(CURDIR) modules_install

release = $(if $(KDIR),$(kdir_release),$(running))
package = KERNEL_RELEASE='$(release)' PREFIX='$(prefix)' DESTDIR='$(DESTDIR)' scripts/package/install

.PHONY: install
install: modules ## install module, tool, man page, completion, profiles, unit; KDIR=DIR, prefix=DIR, DESTDIR=DIR
	@$(package) module

.PHONY: dkms-install
dkms-install: ## the same, but DKMS builds the module, for every kernel to come
	@$(package) dkms

.PHONY: uninstall
uninstall: ## remove all that install or dkms-install has installed
	@$(package) uninstall

.PHONY: vm-module
vm-module: ## build build/VERSION/nvmev.ko for the VM's kernel; KERNEL=VERSION, KDIR=DIR, BUILD=DIR
	$(call need-headers,$(vm_kdir),$(KERNEL))
	@mkdir -p $(BUILD)
	@# A source that was removed must not be found by its old link.
	@find $(BUILD) -maxdepth 1 -xtype l -delete
	@ln -sfr $(sources) $(BUILD)/
	@# No BTF: it wants pahole on some kernels, and nothing in the VM reads it.
	@# Where the kernel has UBSAN, nvmev.ko has it, too.
	@# scripts/kernels knows with which compiler, and whether on this host.
	+scripts/kernels kbuild '$(or $(KDIR),$(KERNEL))' M=$(abspath $(BUILD)) W=$(or $(W),1) CONFIG_DEBUG_INFO_BTF_MODULES= UBSAN_SANITIZE=y modules

.PHONY: demo
demo: ## boot the VM, load nvmev and show the device at work; KERNEL=VERSION
	@scripts/setup demo
	@scripts/demo

.PHONY: test
test: ## run the tests, in the VM where they need it; T=NAME runs one, SUITE=NAME, KERNEL=VERSION, KERNELS="NAME...", MEMORY=kernel
	@scripts/setup test
	@tests/run

.PHONY: fuzz
fuzz: ## fuzz the raw queues, in the VM and natively, side by side; SECONDS=600, SEED=N replays
	@scripts/setup test
	@scripts/fuzz $(or $(SECONDS),600) $(SEED)

.PHONY: kernels
kernels: ## list the kernels that KERNELS= knows, and which of them are cached
	@scripts/kernels list

.PHONY: kernels-build
kernels-build: ## build for KERNELS= without a warning, for all that are here by default; no VM
	@scripts/setup kernels
	@scripts/kernels check $(KERNELS)

.PHONY: matrix
matrix: ## kernels by IOMMU settings, in build/matrix.md; KERNELS="NAME..." SETTINGS="NAME..." KEEP=1
	@scripts/setup matrix
	@scripts/matrix

.PHONY: bench
bench: ## measure in the VM (ICOUNT=1: free of the host's noise), or HOST=1 on the loaded device: report, CSV, plots in build/bench; PROFILE=NAME
	@scripts/setup bench
	@scripts/bench

.PHONY: bench-speed
bench-speed: ## nvmev beside null_blk, brd and QEMU's nvme, in the VM: report, CSV, plots in build/bench-speed
	@scripts/setup bench
	@scripts/bench-speed

.PHONY: bench-native
bench-native: ## what a command costs on this machine's own cores, without any VM: CSV; ROUNDS=N
	@scripts/setup count
	@$(MAKE) -s -C tests/uspace speed
	@for what in rate copy growth; do build/uspace/speed-plain $$what $(or $(ROUNDS),5) || exit; done
	@build/uspace/speed-phases phases $(or $(ROUNDS),5)

.PHONY: count
count: ## count the instructions of a command and write the table, tests/uspace/speed.count
	@scripts/setup count
	@scripts/bench-count --update

.PHONY: lint
lint: ## check the sources: warnings, sparse, checkpatch, shellcheck, own rules; KERNEL=VERSION
	@scripts/setup lint
	@scripts/lint

.PHONY: clean
clean: ## remove all that was built here, build/ with the results of the tests included
	rm -rf build .tmp_versions
	rm -f *.o .*.o *.a *.ko *.mod *.mod.c .*.cmd .*.d modules.order Module.symvers

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile
