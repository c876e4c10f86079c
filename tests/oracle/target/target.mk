# SPDX-License-Identifier: MIT
# The program that replays vectors on Janus. Included by images/images.mk.
$(eval $(call program,oracle-target,ec,$(sort $(wildcard tests/oracle/target/*.c))))
