/** Where the package managers of sandboxes find what they install, and what that itself is fetched from. */
export const packageHosts: readonly string[] = [
  // apt
  "deb.debian.org",
  "security.debian.org",
  "cdn-fastly.deb.debian.org",
  "archive.ubuntu.com",
  "*.archive.ubuntu.com",
  "security.ubuntu.com",
  "ports.ubuntu.com",
  // cargo
  "crates.io",
  "index.crates.io",
  "static.crates.io",
  "static.rust-lang.org",
  // gem
  "rubygems.org",
  "index.rubygems.org",
  // go
  "proxy.golang.org",
  "sum.golang.org",
  // npm, yarn
  "registry.npmjs.org",
  "registry.yarnpkg.com",
  // pip
  "pypi.org",
  "files.pythonhosted.org",
];
