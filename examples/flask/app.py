"""A web page on port 3000: tuidock run -d -p 5000:3000 flask, then open http://localhost:5000/."""

from flask import Flask

app = Flask(__name__)


@app.route("/")
def index():
    return "Hello from a container\n"


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=3000)
