from trimtab.testing import JumpingLoop


def pytest_asyncio_loop_factories(config, item):
    return {"jumping": JumpingLoop}
