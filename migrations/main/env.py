from lazydb.application import main
from lazydb.models import Model
from qapla.database.env import AlembicEnv

AlembicEnv(main, Model, "main").run()
