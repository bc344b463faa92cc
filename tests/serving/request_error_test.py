from keras_gpt3.serving.json_body import RequestError


def test_an_error_has_a_status_and_headers_of_its_own():
    headers = {"Retry-After": "1"}
    error = RequestError(429, "Too many.", headers)
    headers.clear()
    assert (str(error), error.status) == ("Too many.", 429)
    assert error.headers == {"Retry-After": "1"}
    assert RequestError(404, "None.").headers == {}
