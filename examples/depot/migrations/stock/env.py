from depot import main
from depot.models import StockModel

from qapla.database.env import AlembicEnv

AlembicEnv(main, StockModel, "stock").run()
