/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink: a small message builder and the few rtnetlink requests this program needs. Facts: netlink(7), rtnetlink(7). */
#pragma once
