from depot import main
from depot.models import OrdersModel

from qapla.database.env import AlembicEnv

AlembicEnv(main, OrdersModel, "orders").run()
