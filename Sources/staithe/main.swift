print("staithe")
