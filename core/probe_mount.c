/* SPDX-License-Identifier: Apache-2.0 */
/* Probes of the other namespaces and of the file systems mounted in them. Facts: namespaces(7), overlayfs.rst. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fd.h"
#include "core/mount.h"
#include "core/ns.h"
#include "core/probe.h"
#include "core/strv.h"

/* ---------------------------------------------------------------- namespaces */

static void exist(struct probe_env *env, struct probe *p)
{
    (void)env;
    p->state = PROBE_OK;
}

/* The network's has a probe of its own. */
void probe_namespaces(struct probe_env *env, struct probe *p)
{
    static const struct {
        int flag;
        const char *name, *config, *option;
    } kinds[] = {
        {CLONE_NEWNS, "mount", NULL, "all"},
        {CLONE_NEWPID, "pid", "CONFIG_PID_NS", "--pidns"},
        {CLONE_NEWIPC, "IPC", "CONFIG_IPC_NS", "--ipcns"},
        {CLONE_NEWUTS, "UTS", "CONFIG_UTS_NS", "--utsns"},
        {CLONE_NEWCGROUP, "cgroup", "CONFIG_CGROUPS", "--cgroupns"},
    };
    struct strbuf good = {0}, bad = {0}, options = {0};

    if (!env->have_userns) {
        probe_skip(p, "they take a user namespace, and none can be made");
        return;
    }
    for (size_t i = 0; i < array_size(kinds); i++) {
        struct probe one = {.state = PROBE_NO};
        int r = probe_clone(env, CLONE_NEWUSER | (uint64_t)(unsigned)kinds[i].flag, false, exist, &one);
        if (r == 0) {
            strbuf_addf(&good, "%s%s", good.len ? ", " : "", kinds[i].name);
            continue;
        }
        strbuf_addf(&bad, "%sno %s (%s)", bad.len || good.len ? "; " : "", kinds[i].name,
                    r < 0 ? strerror(-r) : one.seen.text);
        strbuf_addf(&options, "%s%s", options.len ? ", " : "", kinds[i].option);
        if (r == -EINVAL && kinds[i].config)
            probe_fix_kernel(env, p, kinds[i].config, NULL);
        else if (one.fix.text[0])
            p->fix = one.fix;
        /* Without mounts of its own there is no instance. */
        p->state = kinds[i].flag == CLONE_NEWNS ? PROBE_NO : p->state == PROBE_NO ? PROBE_NO : PROBE_PARTLY;
    }
    probe_set(p, p->state, "%s%s", good.s ? good.s : "", bad.s ? bad.s : "");
    if (options.len)
        probe_means(p, "run: %s cannot work", options.s);
    strbuf_done(&good);
    strbuf_done(&bad);
    strbuf_done(&options);
}

/* ---------------------------------------------------------------- /proc and /sys */

static bool own_mounts(struct probe *p)
{
    struct reason why = {""};
    if (mount_set_propagation(PROP_RPRIVATE, &why) == 0)
        return true;
    probe_set(p, PROBE_NO, "%s", why.text);
    return false;
}

static void say_mounted(int r, const struct reason *why, struct probe *p)
{
    if (r == MOUNT_FRESH)
        probe_set(p, PROBE_OK, "a fresh one can be mounted");
    else if (r == MOUNT_READ_ONLY)
        probe_set(p, PROBE_PARTLY, "a fresh one can be mounted read-only: the one outside is read-only");
    else
        probe_set(p, PROBE_NO, "%s", why->text);
}

static void try_proc(struct probe_env *env, struct probe *p)
{
    struct reason why = {""};
    (void)env;
    if (own_mounts(p))
        say_mounted(mount_proc(&why), &why, p);
}

void probe_proc(struct probe_env *env, struct probe *p)
{
    if (!probe_in_child(env, CLONE_NEWNS | CLONE_NEWPID, try_proc, p) || p->state == PROBE_OK)
        return;
    probe_means(p,
                p->state == PROBE_PARTLY
                    ? "run --pidns: sysctls inside cannot be changed"
                    : "run --pidns: /proc inside shows the processes outside, and /proc/self is not there");
    if (!p->fix.text[0])
        probe_fix(p, "start the container around with an unmasked, writable /proc (docker, podman: "
                     "--security-opt systempaths=unconfined or "
                     "unmask=ALL; Kubernetes: procMount: Unmasked)");
}

static void try_sys(struct probe_env *env, struct probe *p)
{
    struct reason why = {""};
    (void)env;
    if (own_mounts(p))
        say_mounted(mount_sys(&why), &why, p);
}

void probe_sys(struct probe_env *env, struct probe *p)
{
    if (!probe_in_child(env, CLONE_NEWNS | CLONE_NEWNET, try_sys, p) || p->state == PROBE_OK)
        return;
    probe_means(
        p, p->state == PROBE_PARTLY
               ? "run --net: /sys inside is read-only"
               : "run --net: /sys/class/net inside shows the interfaces outside; spec: take --sys=rbind");
    if (!p->fix.text[0])
        probe_fix(p, "start the container around with an unmasked, writable /sys (docker, podman: "
                     "--security-opt systempaths=unconfined or unmask=ALL)");
}

/* ---------------------------------------------------------------- overlayfs */

static int make_layers(void)
{
    static const char *const folders[] = {"lower", "upper", "work", "merged"};
    /* Any folder will do: the mount is seen in this namespace only. */
    static const char *const places[] = {"/tmp", "/proc", "/dev", "/"};
    int r = -ENOENT;
    for (size_t i = 0; i < array_size(places); i++) {
        r = mount("tmpfs", places[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") < 0 ? -errno : 0;
        if (r == 0 && chdir(places[i]) < 0)
            return -errno;
        if (r == 0)
            break;
    }
    for (size_t i = 0; r == 0 && i < array_size(folders); i++)
        if (mkdir(folders[i], 0755) < 0)
            r = -errno;
    return r < 0 ? r : file_create(AT_FDCWD, "lower/file", "below", 5, 0644);
}

/* What an image's layers need: a file of the lower layer changed, and another taken away (a whiteout in the upper one). */
static int use_overlay(void)
{
    fd_auto int merged = open("merged", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (merged < 0)
        return -errno;
    int r = file_write(merged, "file", "above");
    if (r < 0)
        return r;
    if (unlinkat(merged, "file", 0) < 0)
        return -errno;
    if (faccessat(merged, "file", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return errno == ENOENT ? 0 : -errno;
}

static void try_overlay(struct probe_env *env, struct probe *p)
{
    static const char layers[] = "lowerdir=lower,upperdir=upper,workdir=work";
    char options[96];

    if (!own_mounts(p))
        return;
    int r = make_layers();
    if (r < 0) {
        probe_set(p, PROBE_NO, "cannot make layers in a tmpfs: %s", strerror(-r));
        return;
    }
    (void)snprintf(options, sizeof(options), "%s,userxattr", layers);
    bool user_xattr = true;
    r = mount("overlay", "merged", "overlay", 0, options) < 0 ? -errno : 0;
    if (r ==
        -EINVAL) { /* before 5.11 there was no such option; some distributions' kernels allowed the mount all the same */
        user_xattr = false;
        r = mount("overlay", "merged", "overlay", 0, layers) < 0 ? -errno : 0;
    }
    if (r < 0) {
        probe_set(p, PROBE_NO, "cannot be mounted: %s", strerror(-r));
        if (r == -ENODEV)
            probe_fix_kernel(env, p, "CONFIG_OVERLAY_FS", "overlay");
        else if (r == -EPERM)
            probe_fix(p, "take a kernel from 5.11 on, or a container engine with fuse-overlayfs");
        return;
    }
    r = use_overlay();
    if (r < 0)
        probe_set(p, PROBE_PARTLY,
                  "can be mounted, but files of the lower layer cannot be changed or removed: %s",
                  strerror(-r));
    else
        probe_set(p, PROBE_OK, "can be mounted%s, and files of the lower layer changed and removed",
                  user_xattr ? " with userxattr" : "");
}

void probe_overlay(struct probe_env *env, struct probe *p)
{
    if (!probe_in_child(env, CLONE_NEWNS, try_overlay, p) || p->state == PROBE_OK)
        return;
    probe_means(
        p, "run: a container engine inside has to take fuse-overlayfs or plain copies (storage driver vfs)");
}
