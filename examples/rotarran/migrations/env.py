from rotarran import main
from rotarran.application.db import Model

from qapla.database.env import AlembicEnv

AlembicEnv(main, Model, "main").run()
