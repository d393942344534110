/* SPDX-License-Identifier: MIT */
/* Description: scoped.c once more, as C++. */
#include "scoped.c"
