"""`uvicorn interfaces.asgi:app`: the application with the settings of the environment."""

from dependency_injector import providers

from interfaces import logs
from interfaces.collecting import tune_collector
from interfaces.container import Container
from interfaces.http.app import create_app
from interfaces.settings import load

settings = load()
logs.configure(settings)
app = create_app(Container(settings=providers.Object(settings)))
tune_collector()
