from depot import main
from depot.models import PricesModel

from qapla.database.env import AlembicEnv

AlembicEnv(main, PricesModel, "prices").run()
