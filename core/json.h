/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: the one door to yyjson. A strict reader that keeps the order of keys and the text of numbers, and a writer. */
#pragma once
