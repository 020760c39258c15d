"""`pm hosts`: an engine on several hosts, made of network namespaces of this machine."""
