raise RuntimeError("at the start")
