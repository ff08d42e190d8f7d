# Installs the Debian packages that it is given, as a root who is the only user.
set -e
apt=(
  apt-get -q -y
  -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o Acquire::Retries=2
  -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold
)
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  # No service starts.
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
"${apt[@]}" update
# dpkg links a file before it replaces it, which no one may do with what belongs to the host's own root: those of the
# packages that are to be replaced become ours first.
replaced=$("${apt[@]}" -s install -- "$@" | sed -n 's/^\(Inst\|Remv\) \([^ ]*\) \[.*/\2/p')
if [[ $replaced ]]; then
  dpkg-query -L $replaced 2>/dev/null | while IFS= read -r file; do
    if [[ -f $file && ! -L $file && ! -O $file ]]; then
      cp --preserve=mode,timestamps -- "$file" "$file.own" && mv -f -- "$file.own" "$file"
    fi
  done
fi
"${apt[@]}" install -- "$@"
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
