# Makes what a layer over the host's own /usr begins with, in the folder $1, as the user to whom layers belong: what of the
# host that user cannot read is not for sandboxes either. The host's /etc follows, and the names in it that are taken along.
layer=$1
etc=$2
shift 2
umask 022
mkdir -p "$layer"/{usr,etc,opt,srv,var/lib,var/cache,var/log}
ln -s /tmp "$layer/var/tmp"
ln -s /run "$layer/var/run"
# Each folder of /usr: what belongs to another user cannot be copied when something in it changes, but need not be where
# the folder is there already.
(cd /usr && find . -xdev -type d -print0 2>/dev/null | (cd "$layer/usr" && xargs -0 mkdir -p))
for name in "$@"; do
  if [[ -e $etc/$name ]]; then
    mkdir -p "$layer/etc/$(dirname "$name")"
    cp -r -P --preserve=mode,timestamps,links -- "$etc/$name" "$layer/etc/$name" 2>/dev/null
  fi
done
# Sources of packages with a password in them.
grep -rlE '://[^/ ]*@' "$layer/etc/apt" 2>/dev/null | while IFS= read -r file; do rm -f -- "$file"; done
for name in passwd group; do
  cp "/usr/share/base-passwd/$name.master" "$layer/etc/$name" 2>/dev/null || cp "$etc/$name" "$layer/etc/$name"
done
if [[ -d /var/lib/dpkg ]]; then
  cp -r --preserve=mode,timestamps /var/lib/dpkg "$layer/var/lib/dpkg" 2>/dev/null
  # It names users of the host.
  : >"$layer/var/lib/dpkg/statoverride"
fi
mkdir -p "$layer"/etc/apt/apt.conf.d "$layer"/var/lib/apt/lists/partial "$layer"/var/cache/apt/archives/partial "$layer"/var/cache/debconf "$layer"/var/log/apt
touch "$layer"/etc/{hosts,resolv.conf}
chmod -R u+rwX "$layer"/etc "$layer"/var
