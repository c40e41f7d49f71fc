from ..support.project import Project
def test_x(project: Project) -> None:
    assert len(project.plan()) == 2
