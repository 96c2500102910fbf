"""Django REST framework over the tables of the benchmark, as its manual has it: models, serializers, filters, viewsets.

Related rows are joined or fetched together (``select_related``, ``prefetch_related``), connections pooled, and no middleware asked for.
"""

import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import models

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["BENCH_HOST"],
            "PORT": os.environ["BENCH_PORT"],
            "NAME": os.environ["BENCH_NAME"],
            "USER": os.environ["BENCH_USER"],
            "PASSWORD": os.environ["BENCH_PASSWORD"],
            "OPTIONS": {"pool": {"min_size": 5, "max_size": 5}, "server_side_binding": True},
        }
    },
    INSTALLED_APPS=["django_filters", "rest_framework"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend", "rest_framework.filters.OrderingFilter"],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    ROOT_URLCONF=__name__,
    USE_TZ=False,
)
django.setup()

from django.urls import include, path  # noqa: E402  (the settings come first)
from rest_framework import pagination, routers, serializers, viewsets  # noqa: E402


class Customer(models.Model):
    """A customer."""

    name = models.TextField()
    mail = models.TextField(null=True)
    city = models.TextField(null=True)

    class Meta:
        app_label, db_table, managed = "bench", "customer", False


class Order(models.Model):
    """An order."""

    customer = models.ForeignKey(Customer, models.CASCADE)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    placed_at = models.DateTimeField()
    note = models.TextField(null=True)
    is_paid = models.BooleanField()

    class Meta:
        app_label, db_table, managed = "bench", "orders", False


class Item(models.Model):
    """A line of an order."""

    pk = models.CompositePrimaryKey("order_id", "number")
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    number = models.IntegerField()
    product = models.TextField()
    amount = models.IntegerField()

    class Meta:
        app_label, db_table, managed = "bench", "item", False


class Note(models.Model):
    """A note."""

    title = models.TextField()
    body = models.TextField(null=True)
    stars = models.IntegerField(null=True)

    class Meta:
        app_label, db_table, managed = "bench", "note", False


class Plain(serializers.ModelSerializer):
    """An order alone."""

    class Meta:
        model, fields = Order, ["id", "customer_id", "total", "placed_at", "note", "is_paid"]


class CustomerPart(serializers.ModelSerializer):
    """What an order shows of its customer."""

    class Meta:
        model, fields = Customer, ["id", "name"]


class LinePart(serializers.ModelSerializer):
    """What an order shows of its lines."""

    class Meta:
        model, fields = Item, ["product", "amount"]


class Whole(serializers.ModelSerializer):
    """An order with its customer and its lines."""

    customer = CustomerPart()
    lines = LinePart(many=True)

    class Meta:
        model, fields = Order, ["id", "total", "placed_at", "customer", "lines"]


class NoteSerializer(serializers.ModelSerializer):
    """A note."""

    class Meta:
        model, fields = Note, ["id", "title", "body", "stars"]


class Slice(pagination.LimitOffsetPagination):
    """Pages that do not count."""

    max_limit = 100

    def paginate_queryset(self, queryset, request, view=None):
        """Return the rows of the page."""
        limit, offset = self.get_limit(request), self.get_offset(request)
        return list(queryset[offset : offset + limit])

    def get_paginated_response(self, data):
        """Return them as they are."""
        from rest_framework.response import Response

        return Response(data)


class Counted(pagination.LimitOffsetPagination):
    """Pages with the number of all rows."""


class Orders(viewsets.ReadOnlyModelViewSet):
    """Orders."""

    queryset = Order.objects.all()
    serializer_class = Plain
    pagination_class = Slice
    filterset_fields = {"total": ["gt"], "is_paid": ["exact"]}
    ordering_fields = ["id", "placed_at"]


class CountedOrders(Orders):
    """Orders, counted."""

    pagination_class = Counted


class WholeOrders(Orders):
    """Orders with their customer and lines."""

    queryset = Order.objects.select_related("customer").prefetch_related("lines")
    serializer_class = Whole


class Notes(viewsets.ModelViewSet):
    """Notes."""

    queryset = Note.objects.all()
    serializer_class = NoteSerializer


router = routers.SimpleRouter()
router.register("orders", Orders, basename="orders")
router.register("counted", CountedOrders, basename="counted")
router.register("whole", WholeOrders, basename="whole")
router.register("notes", Notes, basename="notes")
urlpatterns = [path("", include(router.urls))]
application = get_wsgi_application()
