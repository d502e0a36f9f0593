/* SPDX-License-Identifier: Apache-2.0 */
/* The release of RootlessKit whose habits are kept under its programs' names: what they say when asked for their version. */
#pragma once

#define COMPAT_MAJOR   "2"
#define COMPAT_MINOR   "3"
#define COMPAT_PATCH   "5"
#define COMPAT_VERSION COMPAT_MAJOR "." COMPAT_MINOR "." COMPAT_PATCH
