/* SPDX-License-Identifier: Apache-2.0 */
/* One line an applet, in the order of --list. Expanded twice in main.c: externs, then the table. */
APPLET(run)
APPLET(enter)
APPLET(copyup)
APPLET(netd)
APPLET(ctl)
APPLET(dockerproxy)
APPLET(forward)
APPLET(spec)
APPLET(check)
